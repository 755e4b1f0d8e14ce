"""How good a folder of weights is: accuracy on the embedded set's held-out charts, with the known table as the tool.

`python -m policies.vista_tiny.measure DIR --samples 8`. Quicker than `rllib evaluate`, which reads the charts.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from ray.rllib.core.columns import Columns
from rich.console import Console
from rich.table import Table

from envs.datasets.embedded import ChartSpec, Question, questions_for, render
from envs.datasets.embedded_specs import published_specs
from envs.graders.chartqa import chartqa
from envs.message import Message, Turn
from envs.prompts import user_prompt
from envs.protocol import well_formed
from envs.task import Task
from policies.request import Request, object_array
from policies.vista_tiny.corpus import MAX_TURNS, Teacher, reply_to, table_text
from policies.vlm import VLMModule
from tools.errors import ToolInputError
from tools.image import Image

_CALL = re.compile(r"<tool_call>(.*)</tool_call>", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*)</answer>", re.DOTALL)
_ROWS = 60
"""Episodes generated together."""

Asked = tuple[ChartSpec, Question, str]
"""A chart, a question about it, and what `chart_to_table` says."""

_picture = lru_cache(maxsize=4096)(render)


@dataclass(slots=True)
class Episode:
    """One held-out question being answered."""

    spec: ChartSpec
    question: Question
    table: str
    request: Request
    turns: list[str] = field(default_factory=list)
    answer: str | None = None
    called: bool = False
    done: bool = False

    @property
    def correct(self) -> bool:
        """Whether the answer is right under ChartQA's relaxed metric."""
        if self.answer is None:
            return False
        return chartqa("strict")(self.answer, Task("", "chartqa", self.question.query, self.question.label)).correct

    @property
    def formed(self) -> bool:
        """Whether every turn has the protocol's form and the episode ended in an answer."""
        return self.answer is not None and all(map(well_formed, self.turns))


def held_out(split: str, limit: int, read: Callable[[ChartSpec], str] = table_text) -> list[Asked]:
    """`limit` questions of a split, spread over its charts, with what the tool says (`read`)."""
    charts = published_specs()[split]
    asked = [(spec, list(questions_for(spec, random.Random(spec.style)))) for spec in charts]
    found = [(spec, questions[k]) for k in range(5) for spec, questions in asked if k < len(questions)]
    return [(spec, question, read(spec)) for spec, question in found[:limit]]


def play(module: VLMModule, questions: Sequence[Asked], system: str, greedy: bool, seed: int = 0) -> list[Episode]:
    """Plays one episode for each question."""
    episodes = []
    for number, (spec, question, table) in enumerate(questions):
        image = Image.from_bytes(_picture(spec))
        first = Message("user", user_prompt("compact", question.query), (image,), system)
        episodes.append(Episode(spec, question, table, Request(str(number), "vlm", first)))
    forward = module.forward_inference if greedy else module.forward_exploration
    for turn in range(MAX_TURNS):
        open_ones = sorted((e for e in episodes if not e.done), key=lambda e: len(e.table))
        for start in range(0, len(open_ones), _ROWS):
            rows = open_ones[start : start + _ROWS]
            for number, episode in enumerate(rows):
                episode.request.seed = (seed * MAX_TURNS + turn) * len(episodes) + start + number
            actions = forward({Columns.OBS: object_array([row.request for row in rows])})[Columns.ACTIONS]
            for episode, action in zip(rows, actions, strict=True):
                _take(episode, action)
    return episodes


def _take(episode: Episode, action: Turn) -> None:
    episode.turns.append(action.text)
    answer, call = _ANSWER.search(action.text), _CALL.search(action.text)
    episode.done = True
    if answer is not None:
        episode.answer = answer[1]
    elif call is not None:
        try:
            reply = reply_to(call[1], episode.table)
        except (ValueError, KeyError, TypeError, ToolInputError):
            return
        if reply is not None:
            episode.called, episode.done = True, False
            episode.request.observation = Message("tool", reply)


def summary(episodes: Sequence[Episode]) -> dict[str, float]:
    """Shares in [0, 1]: correct, well formed, with a tool call; and correct by kind of question."""
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for episode in episodes:
        by_kind[episode.question.kind].append(episode.correct)
    size = len(episodes)
    shares: dict[str, Any] = {
        "accuracy": sum(e.correct for e in episodes) / size,
        "well_formed": sum(e.formed for e in episodes) / size,
        "tool_use": sum(e.called for e in episodes) / size,
    }
    return shares | {kind: sum(flags) / len(flags) for kind, flags in sorted(by_kind.items())}


def main(
    folder: Annotated[Path, typer.Argument(help="Model folder.")],
    weights: Annotated[Path | None, typer.Option(help="Weights to use instead of the folder's.")] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    limit: Annotated[int, typer.Option(help="Number of questions.")] = 120,
    samples: Annotated[int, typer.Option(help="Sampled episodes per question for pass@1 and pass@N; 0: none.")] = 0,
    show: Annotated[int, typer.Option(help="Print that many wrong episodes.")] = 0,
) -> None:
    """Measures a model on held-out charts: greedy, and sampled at temperature 1."""
    console = Console()
    torch.set_num_threads(1)
    module = VLMModule(model_config={"model": str(folder)}, inference_only=True)
    if weights is not None:
        from safetensors.torch import load_file

        module.model.load_state_dict(load_file(weights), strict=False)
    system = Teacher().system
    questions = held_out(split, limit)
    greedy = play(module, questions, system, greedy=True)
    table = Table("", *summary(greedy))
    table.add_row("greedy", *(f"{share:.3f}" for share in summary(greedy).values()))
    runs = [play(module, questions, system, greedy=False, seed=seed) for seed in range(1, samples + 1)]
    if runs:
        everything = [episode for run in runs for episode in run]
        table.add_row("sampled", *(f"{share:.3f}" for share in summary(everything).values()))
        solved = [any(run[i].correct for run in runs) for i in range(len(questions))]
        mixed = [len({run[i].correct for run in runs}) > 1 for i in range(len(questions))]
        console.print(f"pass@{samples} {sum(solved) / len(solved):.3f}, mixed groups {sum(mixed) / len(mixed):.3f}")
    console.print(table)
    for episode in [e for e in greedy if not e.correct][:show]:
        console.print(episode.question.query, episode.question.label, episode.turns, markup=False)


if __name__ == "__main__":
    typer.run(main)
