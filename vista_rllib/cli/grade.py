"""`vista grade`: score a file of predictions, any model's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from envs.graders import get_grader, grader_for
from vista_rllib.cli.group import out
from vista_rllib.grade_file import GradeReport, grade_file
from vista_rllib.run.files import write_json

app = typer.Typer(add_completion=False)
_SHOWN = 60
"""Characters of an answer or a gold in the table."""
_BAD_SHOWN = 20
"""Bad lines that are printed; all of them are in the JSON report."""


class GradingMode(StrEnum):
    """`envs.grade.Mode` for the command line."""

    strict = "strict"
    robust = "robust"


@app.command()
def grade_command(
    dataset: Annotated[str, typer.Argument(help="Dataset whose metric grades, for example chartqa.")],
    file: Annotated[
        Path, typer.Argument(help='Lines of {"id", "prediction", "gold", "choices"?, ...}; other keys are metadata.')
    ],
    mode: Annotated[GradingMode, typer.Option(help="Official metric, or the same after extraction.")] = (
        GradingMode.robust
    ),
    grader: Annotated[str | None, typer.Option(help="Another registered grader than the dataset's.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Parameter of the grader, VALUE as JSON or text."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most this many verdicts in the table.")] = 20,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only wrong answers in the table.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every verdict to this file.")] = None,
) -> None:
    """Score a file of predictions, any model's, and print each verdict with its reason."""
    config = _parameters(settings or ())
    judge = get_grader(grader, mode.value, **config) if grader else grader_for(dataset, mode.value, **config)
    if json_file is not None and not json_file.resolve().parent.is_dir():
        raise typer.BadParameter(f"{json_file.parent} is no folder", param_hint="--json")
    report = grade_file(file, dataset, judge)
    console = out()
    if limit:
        console.print(_verdicts(report, limit, wrong))
    for line, error in list(report.bad.items())[:_BAD_SHOWN]:
        console.print(f"line {line}: {error}", style="yellow", markup=False, soft_wrap=True)
    if len(report.bad) > _BAD_SHOWN:
        console.print(f"... and {len(report.bad) - _BAD_SHOWN} more bad lines", style="yellow", markup=False)
    right = sum(item.grade.correct for item in report.graded)
    console.print(
        f"{dataset}, {mode.value}: accuracy {report.accuracy:.2%} ({right} of {len(report.graded)}), mean score "
        f"{report.score:.4f}" + (f", {len(report.bad)} bad lines left out" if report.bad else ""),
        markup=False,
        soft_wrap=True,
    )
    if json_file is not None:
        name = {"dataset": dataset, "grader": grader or dataset, "mode": mode.value, "file": str(file)}
        write_json(json_file, name | report.to_dict())
        console.print(f"Verdicts in {json_file}", soft_wrap=True, markup=False)


def _parameters(settings: Sequence[str]) -> dict[str, Any]:
    """`tolerance=0.1` as a number, `model=some-name` as text."""
    parameters = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.isidentifier():
            raise typer.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
        try:
            parameters[key] = json.loads(text)
        except ValueError:
            parameters[key] = text
    return parameters


def _verdicts(report: GradeReport, limit: int, wrong: bool) -> Table:
    table = Table("line", "id", "answer", "gold", "", "score", "reason")
    chosen = [item for item in report.graded if not (wrong and item.grade.correct)]
    for item in chosen[:limit]:
        table.add_row(
            str(item.line),
            escape(item.id),
            escape(_short(item.answer)),
            escape(_short(item.gold)),
            "right" if item.grade.correct else "wrong",
            f"{item.grade.score:.2f}",
            escape(item.grade.reason),
        )
    if len(chosen) > limit:
        table.caption = f"the first {limit} of {len(chosen)}"
    return table


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 3] + "..."
