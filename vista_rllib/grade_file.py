"""Grading a file of predictions: any model's answers, one JSON object a line, against a dataset's metric."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envs.grade import Grade, Grader
from envs.task import Task
from tools.errors import FaultError, VistaError, boundary

MAX_LINE = 1 << 20
"""Bytes of a line; a longer one is bad."""
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_OWN_KEYS = ("id", "prediction", "gold", "choices", "question", "metadata")
_NEEDED = ("id", "prediction", "gold")


class GradeFileError(VistaError):
    """The file cannot be read, or no line of it can be graded. The message names it."""


class LineError(ValueError):
    """What is wrong with one line."""


@dataclass(frozen=True, slots=True)
class Graded:
    """One line with its verdict: `line` counts from 1; `answer` is what the grader was given."""

    line: int
    id: str
    answer: str
    gold: str
    grade: Grade


@dataclass(slots=True)
class GradeReport:
    """Attributes:
    graded: in the file's order.
    bad: what is wrong, by line number.
    """

    graded: list[Graded] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Share of right answers among the graded lines."""
        return sum(item.grade.correct for item in self.graded) / max(len(self.graded), 1)

    @property
    def score(self) -> float:
        """Mean score: differs from the accuracy for ANLS and VQA consensus."""
        return sum(item.grade.score for item in self.graded) / max(len(self.graded), 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-compatible: the figures, every verdict with its reason, every bad line."""
        return {
            "accuracy": self.accuracy,
            "score": self.score,
            "graded": len(self.graded),
            "bad": [{"line": line, "error": error} for line, error in self.bad.items()],
            "verdicts": [
                {
                    "line": item.line,
                    "id": item.id,
                    "answer": item.answer,
                    "gold": item.gold,
                    "correct": item.grade.correct,
                    "score": item.grade.score,
                    "extracted": item.grade.extracted,
                    "reason": item.grade.reason,
                }
                for item in self.graded
            ],
        }


def grade_file(path: Path, dataset: str, grader: Grader) -> GradeReport:
    """Grades every line of `{"id", "prediction", "gold", "choices"?, "question"?, ...}`; other keys are metadata.

    Bad lines (no JSON, a key missing or of the wrong type, an id twice, a gold that the metric cannot use, a judge that
    does not answer) are reported by number and left out.

    Raises:
        GradeFileError: the file cannot be read, or none of its lines can be graded.
    """
    report, seen = GradeReport(), dict[str, int]()
    try:
        for number, raw in _lines(path):
            try:
                task, answer = read_line(raw, dataset)
                if task.id in seen:
                    raise LineError(f"id {task.id!r} is that of line {seen[task.id]}")
                seen[task.id] = number
                with boundary("grader"):
                    grade = grader(answer, task)
            except (LineError, FaultError) as error:
                report.bad[number] = error.fault.message if isinstance(error, FaultError) else str(error)
                continue
            report.graded.append(Graded(number, task.id, answer, gold_text(task), grade))
    except OSError as error:
        raise GradeFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not report.graded:
        raise GradeFileError(f"{path}: nothing to grade; {_first(report.bad)}")
    return report


def _first(bad: Mapping[int, str]) -> str:
    return next((f"line {line}: {error}" for line, error in bad.items()), "it is empty")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1; a byte-order mark is no part of the first."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            raw = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if raw.strip():
                yield number, raw


def read_line(raw: bytes, dataset: str) -> tuple[Task, str]:
    """The task and the answer of one line.

    Raises:
        LineError: it is not a JSON object with the keys, or one of them has the wrong type.
    """
    if len(raw) > MAX_LINE:
        raise LineError(f"longer than {MAX_LINE:,} bytes")
    try:
        record = json.loads(raw)
    except UnicodeDecodeError as error:
        raise LineError("not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise LineError(f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise LineError(f"a JSON object is expected, not {type(record).__name__}")
    for key in _NEEDED:
        if record.get(key) is None:
            raise LineError(f"{key!r} is missing" if key not in record else f"{key!r} is null")
    choices = record.get("choices") or ()
    if isinstance(choices, Mapping):
        choices = list(choices.values())
    if not isinstance(choices, list | tuple):
        raise LineError(f"'choices' must be a list, not {type(choices).__name__}")
    options = tuple(_text(choice, "choices") for choice in choices)
    metadata = {key: value for key, value in record.items() if key not in _OWN_KEYS}
    if isinstance(record.get("metadata"), Mapping):
        metadata |= record["metadata"]
    answers, gold = _gold(record["gold"], options, metadata)
    question = record.get("question") or ""
    task = Task(
        _text(record["id"], "id"), dataset, _text(question, "question"), gold, answers=answers, choices=options,
        metadata=metadata,
    )  # fmt: skip
    return task, answer_in(_text(record["prediction"], "prediction"))


def _gold(gold: Any, options: tuple[str, ...], metadata: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    """`answers` and `answer`. A list is several accepted answers (annotators), and the elements of a set for MapQA; a
    whole number beside options is the option's place from 0, unless an option is that number."""
    if isinstance(gold, list):
        texts = tuple(_text(item, "gold") for item in gold)
        if not any(texts):
            raise LineError("'gold' is empty")
        metadata.setdefault("answer_list", list(texts))
        return texts, texts[0]
    text = _text(gold, "gold")
    if not text:
        raise LineError("'gold' is empty")
    if isinstance(gold, int) and not isinstance(gold, bool) and options and text not in options:
        if not 0 <= gold < len(options):
            raise LineError(f"'gold' is option {gold} of {len(options)} (counted from 0)")
        metadata.setdefault("answer_index", gold)
    return (), text


def _text(value: Any, key: str) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise LineError(f"{key!r} must be text or a number, not {type(value).__name__}")


def answer_in(prediction: str) -> str:
    """The last `<answer>` where the prediction has one; otherwise what follows its thoughts."""
    answers = _ANSWER.findall(prediction)
    return answers[-1].strip() if answers else prediction.rpartition("</think>")[2].strip()


def gold_text(task: Task) -> str:
    """The gold as a table shows it."""
    return " | ".join(dict.fromkeys(task.answers)) if task.answers else task.answer
