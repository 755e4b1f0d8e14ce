"""Steps per second of the env alone: scripted agents, ready-made tool results, image observations, one core.

Run `python benchmarks/env.py [--seconds 3]`. Time is the process's own CPU time (the env has one thread and waits for
nothing), so that a busy machine does not show. A step is one `env.step` or `env.reset`; an episode is a question about
a chart-sized picture, a `zoom` whose result is another picture, a `chart_to_table`, and an answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import PIL.Image
import typer
from rich.console import Console
from rich.table import Table

from envs.task import Task
from envs.visual_reasoning import VisualReasoningEnv
from tools.image import Image
from tools.tool import ToolResult

TARGET = 20_000
"""Steps per second that the project asks for."""

_TURNS = (
    '<think>The bars are small, so look closer.</think><tool_call>{"name": "zoom", "arguments": '
    '{"bbox_2d": [0.1, 0.1, 0.5, 0.9]}}</tool_call>',
    '<think>Now the numbers.</think><tool_call>{"name": "chart_to_table", "arguments": {"image": 0}}</tool_call>',
    "<think>The blue bar of 2004 says 30.</think><answer>30</answer>",
)
VARIANTS: dict[str, Mapping[str, Any]] = {
    "default": {},
    "reward correct": {"reward": "correct"},
    "full prompt": {"prompt": "full"},
    "three attempts": {"max_attempts": 3, "attempt_rewards": (1.0, 0.5, 0.25)},
}


def noise(seed: int) -> Image:
    """A 800 x 600 picture of noise (about 1.4 MB as PNG): copying its pixels would show in the figures."""
    pixels = np.random.default_rng(seed).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    return Image.from_pil(PIL.Image.fromarray(pixels))


def run(config: Mapping[str, Any], seconds: float, num_tasks: int = 64) -> tuple[float, int]:
    """Plays episodes for `seconds` of CPU time.

    Returns:
        Steps per CPU second, and how many steps were made.
    """
    pictures = [noise(i) for i in range(4)]
    tasks = {
        str(i): Task(str(i), "chartqa", "What is the value of the blue bar in 2004?", "30", (pictures[i % 4],))
        for i in range(num_tasks)
    }
    env = VisualReasoningEnv({"tools": ("zoom", "chart_to_table"), **config}, tasks=tasks)
    results = {
        "zoom": ToolResult("Region [80, 60, 400, 540] of image 0, enlarged 1.6 times.", (noise(9),)),
        "chart_to_table": ToolResult("Year | Blue | Red\n" + "\n".join(f"{2000 + i} | {i} | {i}" for i in range(12))),
    }
    steps, started = 0, time.process_time()
    env.reset(seed=0)
    while (elapsed := time.process_time() - started) < seconds:
        for text in _TURNS:
            observations, *_ = env.step({"vlm": text})
            steps += 1
            for agent in observations:
                if agent != "vlm":
                    env.step({agent: results[agent]})
                    steps += 1
        env.reset()
        steps += 1
    return steps / elapsed, steps


def main(seconds: Annotated[float, typer.Option(help="CPU seconds for each row.")] = 3.0) -> None:
    """Prints one row per variant."""
    table = Table(title=f"VisualReasoningEnv, scripted agents, one core (target {TARGET:,} steps/s)")
    for column in ("variant", "steps/s", "µs/step", "steps", "of target"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for name, config in VARIANTS.items():
        rate, steps = run(config, seconds)
        table.add_row(name, f"{rate:,.0f}", f"{1e6 / rate:.1f}", f"{steps:,}", f"{rate / TARGET:.2f}x")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
