"""The trajectory log against JSON lines: time to write and bytes, for the same episodes in one run.

    python -m benchmarks.trajectories

Episodes are made like those of a training iteration: groups of 8 over one chart, three turns, two tool calls of which
one returns a crop, and a transcript with log-probabilities. Both sides write after every `sample()` of 32 episodes and
flush to the operating system. The JSON side is `json.dumps` of the same rows with images as base64.
"""

from __future__ import annotations

import base64
import io
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import typer
from rich.console import Console
from rich.table import Table

from envs.episode_record import EpisodeRecord, Step
from envs.grade import Grade
from envs.message import Message, Turn
from envs.task import Task
from policies.transcript import Transcript
from tools.image import Image
from tools.tool import ToolCall, ToolResult
from vista_rllib.trajectories import Trajectory, TrajectoryWriter, compact

PLACEHOLDER = 151655
BATCH = 32
"""Episodes per `sample()`."""
FASTER, SMALLER = 5.0, 0.5
"""Targets: at least this many times faster, at most this share of the bytes."""


def chart(seed: int) -> Image:
    """A bar chart of 640 x 480 with labels and faint noise, a PNG of a usual chart's size (30-60 kB)."""
    rng = np.random.default_rng(seed)
    noise = np.where(rng.random((480, 640, 1)) < 0.04, rng.integers(220, 256, (480, 640, 1)), 255)
    picture = PIL.Image.fromarray(np.broadcast_to(noise, (480, 640, 3)).astype(np.uint8))
    draw = PIL.ImageDraw.Draw(picture)
    for bar, height in enumerate(rng.integers(40, 400, 10)):
        draw.rectangle((30 + 60 * bar, 460 - height, 70 + 60 * bar, 460), fill=tuple(rng.integers(0, 200, 3)))
        draw.text((35 + 60 * bar, 445 - height), str(height), fill=(0, 0, 0))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return Image.from_bytes(buffer.getvalue())


def episode(number: int, image: Image, crop: Image, words: Sequence[str], rng: random.Random) -> Trajectory:
    """One episode of about 1,500 tokens, 300 of them sampled."""

    def say(count: int) -> str:
        return " ".join(rng.choices(words, k=count))

    task = Task(f"task-{number // 8}", "chartqa", say(14) + "?", "14", (image,), metadata={"source": "human"})
    table = {"columns": ["label", "value"], "rows": [[say(1), rng.randint(0, 400)] for _ in range(10)]}
    first = Message("user", say(20), (image,), system=say(400))
    transcript = Transcript()
    transcript.observe(ids(500, rng) + [PLACEHOLDER] * 391, [image], [391], PLACEHOLDER)
    steps = []
    for name, result in (
        ("chart_to_table", ToolResult(json.dumps(table), data=table, wall_s=0.05)),
        ("zoom", ToolResult("the region", (crop,), wall_s=0.01)),
    ):
        text = f'<think>{say(60)}</think><tool_call>{{"tool": "{name}", "arguments": {{}}}}</tool_call>'
        reply = Message("tool", result.text, result.images)
        steps.append(Step(Turn(text, 100), ToolCall(name), result, reply=reply, wall_s=0.4))
        transcript.sample(ids(100, rng), [-rng.expovariate(2) for _ in range(100)], version=number // 64)
        placeholders = 64 * len(result.images)
        tokens = ids(100, rng) + [PLACEHOLDER] * placeholders
        transcript.observe(tokens, result.images, [64] * len(result.images), PLACEHOLDER)
    grade = Grade(number % 2 == 0, float(number % 2 == 0), "14", "relative error")
    steps.append(Step(Turn(f"<think>{say(60)}</think><answer>14</answer>", 100), answer="14", grade=grade, wall_s=0.4))
    transcript.sample(ids(100, rng), [-rng.expovariate(2) for _ in range(100)], version=number // 64)
    parts = {"repetition": 0.0, "format": 1.0, "correct": grade.score}
    record = EpisodeRecord(task, first, steps, "answered", reward_parts=parts, reward=1.0 + grade.score)
    return Trajectory.from_record(
        record, {"vlm": transcript}, episode_id=f"{number:032x}", group_id=str(number // 8), iteration=1, seed=number
    )


def ids(count: int, rng: random.Random) -> list[int]:
    """Token ids with the skew of real text."""
    return [min(int(rng.paretovariate(0.8) * 10), 150000) for _ in range(count)]


def write_json(path: Path, batches: Sequence[Sequence[Trajectory]]) -> None:
    """One JSON object a line, with the same fields and each image as base64."""
    with path.open("w") as file:
        for batch in batches:
            for trajectory in batch:
                file.write(json.dumps(json_row(trajectory), default=str) + "\n")
            file.flush()


def json_row(trajectory: Trajectory) -> dict[str, Any]:
    """The row as JSON lines logs of such systems have it."""
    transcripts = [
        {
            "agent_id": agent_id,
            "token_ids": t.token_ids,
            "sampled": t.sampled,
            "logps": t.logps,
            "versions": t.versions,
            "images": [image.hash for image in t.images],
            "image_tokens": t.image_tokens,
        }
        for agent_id, t in trajectory.transcripts.items()
    ]
    images = {key: base64.b64encode(image.data).decode() for key, image in trajectory.images.items()}
    return {**trajectory.row, "transcripts": transcripts, "images": images}


def write_arrow(folder: Path, batches: Sequence[Sequence[Trajectory]]) -> None:
    """The project's log."""
    with TrajectoryWriter(folder, 0) as writer:
        for batch in batches:
            writer.write(batch)


def best(actions: Sequence[Callable[[int], None]], repeats: int) -> list[float]:
    """Least seconds of each `action(repeat)`. They take turns, so that a busy machine is busy for all of them."""
    times: list[list[float]] = [[] for _ in actions]
    for repeat in range(repeats):
        for action, taken in zip(actions, times, strict=True):
            start = time.perf_counter()
            action(repeat)
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]


def size(path: Path) -> int:
    """Bytes of a file or of all files of a folder."""
    return path.stat().st_size if path.is_file() else sum(file.stat().st_size for file in path.iterdir())


def main(
    episodes: Annotated[int, typer.Option(min=BATCH, help="Episodes, in groups of 8 over one chart.")] = 512,
    group: Annotated[int, typer.Option(min=1, help="Episodes per chart.")] = 8,
    repeats: Annotated[int, typer.Option(min=1, help="The best of this many runs counts.")] = 7,
) -> None:
    """Prints the table of times, bytes and ratios; exit status 1 when a target is missed."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(2000)]
    charts = [chart(seed) for seed in range(-(-episodes // group))]
    crops = [Image.from_pil(image.pil().crop((0, 0, 320, 240))) for image in charts]
    all_episodes = [episode(n, charts[n // group], crops[n // group], words, rng) for n in range(episodes)]
    batches = [all_episodes[start : start + BATCH] for start in range(0, episodes, BATCH)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        json_s, arrow_s = best(
            [
                lambda repeat: write_json(folder / f"{repeat}.jsonl", batches),
                lambda repeat: write_arrow(folder / f"arrow-{repeat}", batches),
            ],
            repeats,
        )
        json_bytes, arrow_bytes = size(folder / "0.jsonl"), size(folder / "arrow-0")
        start = time.perf_counter()
        compact(folder / "arrow-0")
        compact_s, parquet_bytes = time.perf_counter() - start, size(folder / "arrow-0")
    table = Table("log", "time (s)", "episodes/s", "MB", "time / JSON", "bytes / JSON")
    table.title = f"{episodes} episodes, {len(charts)} charts of {len(charts[0].data) / 1e3:.0f} kB, best of {repeats}"
    for label, seconds, count in (
        ("JSON lines, base64 images", json_s, json_bytes),
        ("Arrow streams", arrow_s, arrow_bytes),
        ("compaction to Parquet", compact_s, parquet_bytes),
    ):
        table.add_row(
            label,
            f"{seconds:.3f}",
            f"{episodes / seconds:,.0f}",
            f"{count / 1e6:.1f}",
            f"{seconds / json_s:.3f}",
            f"{count / json_bytes:.3f}",
        )
    console = Console()
    console.print(table)
    faster, smaller = json_s / arrow_s, arrow_bytes / json_bytes
    console.print(f"{faster:.1f} x faster (target {FASTER:g}), {smaller:.2f} x the bytes (target {SMALLER:g})")
    if faster < FASTER or smaller > SMALLER:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
