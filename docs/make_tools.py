"""Writes `docs/tools.md`: every tool with its backends, and for each that can run here one call, made by running it.

Run `python docs/make_tools.py` in a checkout where the package is installed. The pictures that the calls look at are
drawn here, the charts are of the embedded set; they and what the tools return go into `docs/pictures/`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from rich.console import Console
from rich.progress import track
from typer.testing import CliRunner

from envs.datasets.embedded import render
from envs.datasets.embedded_specs import published_specs
from tools.registry import backends_of, registered_tools
from tools.tool import Tool
from vista_rllib.cli.vista import app

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "pictures"
MAX_LINES = 24
MAX_LINE = 400
"""Longer output is cut in the page, and says so."""


@dataclass(frozen=True)
class Example:
    """One call: the picture it looks at (a file in `docs/pictures`), and its arguments as on the command line."""

    picture: str = ""
    arguments: tuple[str, ...] = ()


EXAMPLES: dict[str, Example] = {
    "ocr": Example("note.png"),
    "segment": Example("shapes.png", ("points=[[330,120]]",)),
    "zoom": Example("chart.png", ("bbox_2d=[0.0,0.55,0.5,1.0]",)),
    "rotate": Example("note.png", ("angle=90",)),
    "mark": Example("shapes.png", ("boxes=[[60,60,200,200]]", "points=[[330,120]]", 'labels=["square","disc"]')),
    "measure": Example("shapes.png", ("operation=distance", "points=[[60,60],[200,200]]")),
    "enhance": Example("note.png", ("operation=binarise",)),
    "chart_to_table": Example("chart.png"),
    "chart_extract_data": Example("chart.png", ('items=["{first}","{second}"]',)),
    "chart_compare": Example("chart.png", ('items=["{first}","{second}"]',)),
    "chart_describe": Example("chart.png"),
    "chart_analyze": Example("lines.png"),
    "chart_summarize": Example("chart.png"),
    "chart_trend": Example("lines.png"),
    "chart_title": Example("chart.png"),
    "chart_caption": Example("pie.png"),
    "chart_to_svg": Example("chart.png"),
    "chart_to_scene_graph": Example("pie.png"),
    "text_cdl": Example(arguments=("text=In triangle ABC, AB = 5, BC = 12 and angle ABC is a right angle. Find AC.",)),
    "goal_cdl": Example(arguments=("text=In triangle ABC, AB = 5, BC = 12 and angle ABC is a right angle. Find AC.",)),
    "symbolic_parse": Example(
        arguments=("text=In triangle ABC, AB = 5, BC = 12 and angle ABC is a right angle. Find AC.",)
    ),
    "symbolic_solve": Example(
        arguments=(
            'forms=["Triangle(A, B, C)", "Equals(LengthOf(Line(A, B)), 5)", "Equals(LengthOf(Line(B, C)), 12)", '
            '"Equals(MeasureOf(Angle(A, B, C)), 90)"]',
            "goal=Find(LengthOf(Line(A, C)))",
        )
    ),
    "calculator": Example(arguments=("expression=(1024 - 256) / 3",)),
    "geometry_calculator": Example(arguments=("function=triangle_area", 'args={"A": [0,0], "B": [4,0], "C": [0,3]}')),
    "python": Example(
        "shapes.png",
        (
            "code=from PIL import Image\npicture = Image.open('image_0.png')\nprint(picture.size)\n"
            "picture.resize((120, 80)).save('small.png')",
        ),
    ),
}


def draw_pictures() -> dict[str, str]:
    """Draws the pictures that the examples look at; returns the labels that some of them name."""
    PICTURES.mkdir(exist_ok=True)
    charts = published_specs()["test"]
    bars = next(spec for spec in charts if spec.kind == "v_bar" and len(spec.table["columns"]) == 2)
    (PICTURES / "chart.png").write_bytes(render(bars))
    (PICTURES / "lines.png").write_bytes(render(next(spec for spec in charts if spec.kind == "line")))
    (PICTURES / "pie.png").write_bytes(render(next(spec for spec in charts if spec.kind == "pie")))

    shapes = PIL.Image.new("RGB", (480, 260), "white")
    pen = PIL.ImageDraw.Draw(shapes)
    pen.rectangle((60, 60, 200, 200), fill="#2a6fbb")
    pen.ellipse((260, 50, 400, 190), fill="#d1495b")
    pen.polygon([(430, 220), (470, 140), (390, 210)], fill="#66a182")
    shapes.save(PICTURES / "shapes.png")

    note = PIL.Image.new("RGB", (420, 170), "#f4f1ea")
    pen = PIL.ImageDraw.Draw(note)
    font = PIL.ImageFont.load_default(size=22)
    for row, line in enumerate(
        ("Invoice 1042", "Apples      3      4.50", "Bread       1      2.20", "Total              6.70")
    ):
        pen.text((24, 20 + 34 * row), line, fill="#222222", font=font)
    note.save(PICTURES / "note.png")
    return {"first": str(bars.table["rows"][0][0]), "second": str(bars.table["rows"][1][0])}


def example(name: str, labels: dict[str, str]) -> str:
    """The section's code block for one tool, from a run of the command. Raises `RuntimeError` when it fails."""
    call = EXAMPLES[name]
    arguments = [part for text in call.arguments for part in ("--arg", _named(text, labels))]
    made = PICTURES / f"{name}.png"
    for old in PICTURES.glob(f"{name}*.png"):
        old.unlink()
    shown = ["vista", "tools", "call", name, *([f"docs/pictures/{call.picture}"] if call.picture else []), *arguments]
    run = CliRunner().invoke(app, [*shown[1:], "--save", str(made.relative_to(DOCS.parent))])
    if run.exit_code:
        raise RuntimeError(f"{shlex.join(shown)}: {run.output}")
    pictures = sorted(PICTURES.glob(f"{name}*.png"))
    if pictures:
        shown += ["--save", f"docs/pictures/{name}.png"]
    lines = [_cut(line) for line in run.output.rstrip().splitlines() if not re.match(r"[0-9.]+ s, backend", line)]
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"[{len(lines) - MAX_LINES} more lines]"]
    block = ["```console", f"$ {shlex.join(shown)}", *lines, "```"]
    block += [f"\n![{name}](pictures/{picture.name})" for picture in pictures]
    if call.picture:
        block.insert(0, f"![{call.picture}](pictures/{call.picture})\n")
    return "\n".join(block)


def _named(text: str, labels: dict[str, str]) -> str:
    for key, label in labels.items():
        text = text.replace("{" + key + "}", label)
    return text


def _cut(line: str) -> str:
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]} [{len(line) - MAX_LINE} more characters]"


def section(tool: type[Tool], labels: dict[str, str]) -> str:
    """One tool: what it does, its arguments, its backends, and the example where it can run here."""
    fields = tool.schema()["parameters"].get("properties", {})
    arguments = "\n".join(f"| `{name}` | {field.get('description', '')} |" for name, field in fields.items())
    lines = [f"### `{tool.name}`", "", tool.description]
    if tool.aliases:
        lines += ["", "Also called " + ", ".join(f"`{alias}`" for alias in tool.aliases) + "."]
    lines += ["", "| argument | |", "|---|---|", arguments, ""]
    lines += ["Backends: " + ", ".join(f"`{name}`" for name in backends_of(tool.name)) + "."]
    if tool.name in EXAMPLES:
        lines += ["", example(tool.name, labels)]
    else:
        lines += ["", "No backend runs without released weights or a server; `vista tools list` says how to get one."]
    return "\n".join(lines)


DECLARATIONS = (
    "| `name`, `description`, `arguments` | what the policy reads: the call's name, a sentence, a pydantic model |",
    "| `run(calls)` | a batch of calls into as many results; `ToolInputError` is the policy's error |",
    "| `aliases` | other names that mean it |",
    "| `deterministic`, `version` | whether results may be cached, and when cached ones are stale |",
    "| `cost` | price of a call in reward units, for a reward of yours that counts it |",
    "| `shared` | expensive to load: one instance per machine, in a Ray actor |",
    "| `settings_type` | a pydantic model of what its user can set (`tool_options`, `--set`) |",
    "| `unavailable(settings)` | why it cannot run here, and the command that helps |",
    "| `remote` | a tool service may run it |",
    "| `end_episode`, `close` | where it keeps something for an episode, or beyond memory |",
)
"""Rows on the class attributes of `tools.tool.Tool`."""


def page(sections: Sequence[str]) -> str:
    """The whole page."""
    tools = list(registered_tools().values())
    rows = [
        f"| {tool.family} | [`{tool.name}`](#{tool.name}) | {', '.join(backends_of(tool.name))} |"
        for tool in sorted(tools, key=lambda tool: (tool.family, tool.name))
    ]
    return "\n".join(
        [
            "# Tools",
            "",
            "Every tool is an agent. Its backends give the same kind of result: `embedded` runs anywhere, a model's",
            "name loads that model's released weights, `remote` asks a [tool service](tool-service.md). The first",
            "one that can run is taken, unless `tool_options` names another. `vista tools list` says what runs here.",
            "",
            "This page was written by `python docs/make_tools.py`, which ran every call below.",
            "",
            "## A tool of your own",
            "",
            "is one class with `@register_tool` in a file of yours (`tuned_examples/custom_tool.py`). It may declare:",
            "",
            "| | |",
            "|---|---|",
            *DECLARATIONS,
            "",
            "## All tools",
            "",
            "| family | tool | backends |",
            "|---|---|---|",
            *rows,
            "",
            *(f"{text}\n" for text in sections),
        ]
    )


def main() -> None:
    """Draws, calls, writes."""
    os.chdir(DOCS.parent)
    labels = draw_pictures()
    tools = sorted(registered_tools().values(), key=lambda tool: (tool.family, tool.name))
    unknown = sorted(set(EXAMPLES) - {tool.name for tool in tools})
    if unknown:
        raise SystemExit(f"EXAMPLES names tools that do not exist: {json.dumps(unknown)}")
    console = Console()
    sections = [section(tool, labels) for tool in track(tools, "Calling every tool", console=console)]
    (DOCS / "tools.md").write_text(page(sections).rstrip() + "\n", "utf-8")
    console.print(f"{len(sections)} tools, {len(EXAMPLES)} of them called: {DOCS / 'tools.md'}")


if __name__ == "__main__":
    main()
