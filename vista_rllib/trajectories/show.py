"""One episode as a person reads it, turn by turn: on a terminal, or as a web page with its images."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from vista_rllib.trajectories.reader import find_image

COLUMNS = [
    "episode_id", "task_id", "question", "gold", "group_id", "iteration", "weights_version", "messages", "turns",
    "calls", "reward", "reward_parts", "grade", "faults", "end", "wall_s",
]  # fmt: skip
"""What is shown: everything but tokens."""

_STYLES = {"system": "dim", "user": "cyan", "assistant": "green", "tool": "yellow"}

_PAGE = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """<!doctype html>
<meta charset="utf-8"><title>Trajectories</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 3px solid #888; margin-top: 2.5rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }
.message { border-left: 4px solid #999; padding: .2rem .8rem; margin: .7rem 0; background: #f6f6f6; }
.user { border-color: #09a; } .assistant { border-color: #2a2; } .tool { border-color: #c90; }
.right { color: #070; } .wrong { color: #b00; }
img { max-width: 100%; max-height: 26rem; display: block; }
small { color: #666; }
</style>
{% for row in rows %}
<section><h2>{{ row.episode_id }}</h2>
<p>{{ row.task_id }} · group {{ row.group_id }} · iteration {{ row.iteration }} · weights {{ row.weights_version }}</p>
{% for message in row.messages %}
<div class="message {{ message.role }}"><small>{{ message.role }}</small>
{% for hash in message.images %}
{% set source = image(hash) %}
{% if source %}<img src="{{ source }}" alt="{{ hash }}">
{% else %}<small>image {{ hash }} is not in the log</small>{% endif %}
{% endfor %}
<pre>{{ message.text }}</pre></div>
{% endfor %}
<p class="{{ 'right' if row.grade and row.grade.correct else 'wrong' }}">{{ verdict(row) }}</p></section>
{% endfor %}
"""
)


def render(row: dict[str, Any]) -> RenderableType:
    """A row with `COLUMNS` for a rich console. Control characters in it are made visible, markup is not interpreted."""
    parts: list[RenderableType] = []
    for message in row["messages"]:
        body = Text(printable(message["text"]))
        for digest in message["images"]:
            body = Text.assemble((f"[image {digest[:12]}] ", "magenta"), body)
        role = message["role"]
        parts.append(Panel(body, title=role, title_align="left", border_style=_STYLES.get(role, "white")))
    for call in row["calls"]:
        cached = ", cached" if call["cached"] else ""
        failed = f": {call['error_code']}" if call["error_code"] else ""
        seconds = call["wall_s"] or 0.0
        parts.append(
            Text(printable(f"call {call['name']} {call['arguments']}{failed} ({seconds:.3f} s{cached})"), "dim")
        )
    right = row["grade"] is not None and row["grade"]["correct"]
    parts.append(Text(printable(verdict(row)), "bold green" if right else "bold red"))
    title = f"{row['episode_id']} · {row['task_id']} · group {row['group_id']} · iteration {row['iteration']}"
    return Panel(Group(*parts), title=Text(printable(title)), subtitle=Text(f"weights {row['weights_version']}"))


def verdict(row: dict[str, Any]) -> str:
    """One line: right or wrong, answer, gold, why, reward and its parts, how it ended."""
    gold = " | ".join(row["gold"])
    if row["faults"]:
        fault = row["faults"][0]
        result = f"VOID: {fault['where']}: {fault['kind']}: {fault['message']}"
    elif row["grade"] is None:
        result = f"NO ANSWER, gold {gold!r}"
    else:
        grade = row["grade"]
        result = (
            f"{'RIGHT' if grade['correct'] else 'WRONG'}: {grade['extracted']!r}, gold {gold!r} ({grade['reason']})"
        )
    parts = ", ".join(f"{name} {value:g}" for name, value in row["reward_parts"].items())
    return f"{result} · reward {row['reward']:g} ({parts}) · ended: {row['end']} · {row['wall_s']:.2f} s"


def printable(text: str) -> str:
    """Sampled text may hold terminal escapes: all but newlines and tabs become a replacement sign."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def to_html(rows: Iterable[dict[str, Any]], log: str | Path) -> str:
    """A self-contained page of rows with `COLUMNS`; images come from the log."""
    return _PAGE.render(rows=rows, image=partial(_data_url, Path(log)), verdict=verdict)


def _data_url(log: Path, digest: str) -> str | None:
    image = find_image(log, digest)
    if image is None:
        return None
    kind = "jpeg" if image.data[:2] == b"\xff\xd8" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(image.data).decode()}"
