"""How often does `chart_to_table` find what is asked about real charts, and what does the scripted policy make of it?

Reads a ChartQA folder in the released layout. A gold number counts as found when a cell equals it (exact) or lies
within 5 % of it; a gold text when a row label or series name is about equal to it (rapidfuzz ratio >= 90). The scripted
policy plays one episode per question with the table and the calculator; the env's own grader judges its answer.

    python benchmarks/chart_to_table.py "../shared/data/chartqa/ChartQA Dataset" --words .cache/words
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import gymnasium
import numpy as np
import typer
from rapidfuzz import fuzz
from ray.rllib.core.rl_module import RLModuleSpec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from envs.episode_record import EpisodeRecord
from envs.task import Task
from envs.visual_reasoning import VisualReasoningEnv
from policies.request import Request
from policies.scripted import ScriptedModule
from tools.calculator import Calculator
from tools.chart.number import parse_number
from tools.chart.reader import read_chart
from tools.chart.table import ChartTable
from tools.chart.text import Word, read_words
from tools.errors import ErrorCode, ModelError, ToolInputError
from tools.image import Image
from tools.tool import ToolResult

FOUND_TEXT = 90.0
"""rapidfuzz ratio from which two texts count as equal."""
NEAR = 0.05
"""Relaxed accuracy of ChartQA."""


@dataclass
class Tally:
    """Counts of one chart type."""

    charts: int = 0
    numbers: int = 0
    exact: int = 0
    near: int = 0
    texts: int = 0
    texts_found: int = 0
    answered: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def cached_words(image: Image, folder: Path | None) -> tuple[Word, ...]:
    """The image's words, kept as JSON in `folder` between runs (None: not kept)."""
    if folder is None:
        return read_words(image)
    path = folder / f"{image.hash}.json"
    if path.exists():
        stored = json.loads(path.read_text())
        return tuple(Word(text, tuple((x, y) for x, y in quad), confidence) for text, quad, confidence in stored)
    words = read_words(image)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([(word.text, word.quad, word.confidence) for word in words]))
    return words


def number_found(table: ChartTable, gold: float, tolerance: float) -> bool:
    """Whether a cell or a label of the table is `gold` within a relative tolerance."""
    texts = [cell for row in table.rows for cell in row]
    values = [number.value for text in texts if (number := parse_number(text.rstrip("*"))) is not None]
    return any(abs(value - gold) <= max(abs(gold) * tolerance, 1e-9) for value in values)


def text_found(table: ChartTable, gold: str) -> bool:
    """Whether a row label or a series name is about equal to `gold`."""
    names = [*table.columns, *(row[0] for row in table.rows)]
    return any(fuzz.ratio(name.lower().strip("* "), gold.lower().strip("* ")) >= FOUND_TEXT for name in names)


def load_questions(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every question of a released ChartQA folder with its picture's path."""
    questions = []
    for split in sorted(path for path in folder.iterdir() if path.is_dir()):
        for name in sorted(split.glob(f"{split.name}_*.json")):
            for item in json.loads(name.read_text()):
                questions.append((split / "png" / item["imgname"], item))
    return questions


class Player:
    """The scripted policy in episodes of the env."""

    def __init__(self) -> None:
        space = gymnasium.spaces.Discrete(1)  # not looked at
        spec = RLModuleSpec(ScriptedModule, observation_space=space, action_space=space, model_config={})
        self._policy, self._calculator = spec.build(), Calculator()

    def play(self, task: Task, table: ToolResult) -> EpisodeRecord:
        """One episode in which `chart_to_table` says `table`."""
        env = VisualReasoningEnv({"tools": ("chart_to_table", "calculator")}, tasks={task.id: task})
        observations, _ = env.reset()
        history: list[tuple[Any, Any]] = []
        while env.acting:
            observation: Any = observations[env.acting]
            if env.acting == "vlm":
                action: Any = self._policy.act(Request("e", "vlm", observation, tuple(history)))
                history.append((observation, action))
            elif env.acting == "calculator":
                (action,) = self._calculator.run([observation])
            else:
                action = table
            observations, *_ = env.step({env.acting: action})
        return env.record


def as_result(table: ChartTable | None) -> ToolResult:
    """What the tool returns."""
    if table is None:
        return ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, "no chart was recognised in this image"))
    return ToolResult(table.text(), data=table.data())


def evaluate(folder: Path, words_folder: Path | None, limit: int | None) -> tuple[dict[str, Tally], float]:
    """Reads each chart, looks its gold up, lets the scripted policy answer.

    Returns:
        Tallies by the type of chart that was recognised, and seconds per chart without OCR.
    """
    player = Player()
    tallies: dict[str, Tally] = defaultdict(Tally)
    spent = 0.0
    tables: dict[Path, ChartTable | None] = {}
    images: dict[Path, Image] = {}
    for path, item in track(load_questions(folder)[:limit], "reading charts"):
        if path not in tables:
            image = images[path] = Image.from_path(path)
            words, pixels = cached_words(image, words_folder), np.asarray(image.pil())
            start = time.perf_counter()
            try:
                tables[path] = read_chart(pixels, words)
            except ToolInputError:
                tables[path] = None
            spent += time.perf_counter() - start
        table, gold = tables[path], parse_number(item["label"].strip())
        tally = tallies[table_type(table)]
        tally.charts += 1
        if gold is not None:
            exact = table is not None and number_found(table, gold.value, 0.0)
            near = exact or (table is not None and number_found(table, gold.value, NEAR))
            tally.numbers, tally.exact, tally.near = tally.numbers + 1, tally.exact + exact, tally.near + near
            found = near
        else:
            found = table is not None and text_found(table, item["label"])
            tally.texts, tally.texts_found = tally.texts + 1, tally.texts_found + found
        if not found:
            tally.missed.append(f"{path.stem}: {item['query']} -> {item['label']}")
        task = Task(path.stem, "chartqa", item["query"], item["label"], (images[path],))
        record = player.play(task, as_result(table))
        tally.answered += record.correct
        said = f"said {record.grade.extracted!r}" if record.grade else f"no answer ({record.end})"
        if not record.correct:
            tally.wrong.append(f"{path.stem}: {item['query']} -> {item['label']}, {said}")
    return dict(tallies), spent / max(1, len(tables))


def table_type(table: ChartTable | None) -> str:
    """Kind of a table, with the number of series; `unreadable` for none."""
    if table is None:
        return "unreadable"
    return f"{table.type}, {'one series' if len(table.columns) <= 2 else 'several'}"


def main(
    folder: Annotated[Path, typer.Argument(help="folder with train/ and val/ in the released layout")],
    words: Annotated[Path | None, typer.Option(help="keep OCR words in this folder between runs")] = None,
    limit: Annotated[int | None, typer.Option(help="only the first so many questions")] = None,
    misses: Annotated[bool, typer.Option(help="list the questions whose gold was not found")] = False,
) -> None:
    """Prints the share of gold answers that the tables contain and the scripted policy's accuracy, by chart type."""
    console = Console()
    tallies, seconds = evaluate(folder, words, limit)
    counts = ("charts", "numbers", "exact", "near", "texts", "texts_found", "answered")
    tallies["all"] = Tally(*(sum(getattr(tally, name) for tally in tallies.values()) for name in counts))
    table = Table("type", "questions", "numbers exact", "numbers within 5 %", "texts", "found", "scripted policy")
    for kind, tally in sorted(tallies.items(), key=lambda item: (item[0] == "all", item[0])):
        found = tally.near + tally.texts_found
        parts = ((tally.exact, tally.numbers), (tally.near, tally.numbers), (tally.texts_found, tally.texts))
        shares = [f"{part}/{whole}" for part, whole in parts]
        shares += [f"{part / max(1, tally.charts):.1%}" for part in (found, tally.answered)]
        table.add_row(kind, str(tally.charts), *shares)
    console.print(table)
    console.print(f"{1000 * seconds:.0f} ms a chart without OCR")
    if misses:
        for kind, tally in tallies.items():
            for what, lines in (("not in the table", tally.missed), ("wrong", tally.wrong)):
                for line in lines:
                    console.print(f"[dim]{kind}, {what}[/dim] {line}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
