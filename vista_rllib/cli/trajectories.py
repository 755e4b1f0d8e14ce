"""`vista trajectories`: look at a trajectory log, count over it, grade it again."""

from __future__ import annotations

import itertools
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tools.errors import VistaError
from vista_rllib.cli.group import ErrorGroup, out
from vista_rllib.trajectories.reader import iter_trajectories
from vista_rllib.trajectories.regrade import Regrade, regrade, save_regrade
from vista_rllib.trajectories.show import COLUMNS, render, to_html
from vista_rllib.trajectories.stats import Stats, log_stats

app = typer.Typer(cls=ErrorGroup, help="Look at a trajectory log, count over it, grade it again.", no_args_is_help=True)

Log = Annotated[Path, typer.Argument(help="A run's folder, its trajectories folder, or one file of it.")]


class GradingMode(StrEnum):
    """`envs.grade.Mode` for the command line."""

    strict = "strict"
    robust = "robust"


@app.command()
def show(
    path: Log,
    episode: Annotated[str | None, typer.Option(help="Only this episode id (or its beginning).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many episodes.")] = 3,
    wrong: Annotated[bool, typer.Option(help="Only episodes that did not end right.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a web page with the images instead.")] = None,
) -> None:
    """Prints episodes turn by turn."""
    rows = list(itertools.islice(_chosen(path, episode, wrong), limit))
    if not rows:
        raise VistaError(f"{path}: no episode matches")
    if html is not None:
        _write_text(html, to_html(rows, path))
        out().print(f"{len(rows)} episodes written to {html}", markup=False)
        return
    for row in rows:
        out().print(render(row))


@app.command()
def stats(path: Log) -> None:
    """Accuracy, tool calls, errors, faults, lengths and reward parts."""
    counted = log_stats(path)
    for table in _stats_tables(counted):
        if table.row_count:
            out().print(table)


@app.command("regrade")
def regrade_command(
    path: Log,
    grader: Annotated[str, typer.Option(help="Registered grader.")] = "chartqa",
    mode: Annotated[GradingMode, typer.Option(help="Official metric, or the same after extraction.")] = (
        GradingMode.robust
    ),
    tolerance: Annotated[
        float | None, typer.Option(help="Relative tolerance of numbers, if the grader has one.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--out", help="Parquet file of the verdicts.")] = None,
) -> None:
    """Grades the logged answers again (no model needed) and compares the verdicts."""
    parameters = {} if tolerance is None else {"tolerance": tolerance}
    result = regrade(path, grader, mode.value, **parameters)
    folder = path if path.is_dir() else path.parent
    file = save_regrade(result, output or folder / f"regrade-{grader}-{mode.value}.parquet")
    out().print(_confusion_table(result, f"{grader} {mode.value}"))
    out().print(f"{result.unanswered} without an answer and {result.voided} voided by faults left out.")
    out().print(f"Verdicts: {file}", markup=False)


def _chosen(path: Path, episode: str | None, wrong: bool) -> Any:
    for row in iter_trajectories(path, COLUMNS):
        right = row["grade"] is not None and row["grade"]["correct"]
        if (episode is None or row["episode_id"].startswith(episode)) and not (wrong and right):
            yield row


def _write_text(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise VistaError(f"{file}: cannot be written: {error.strerror or error}") from error


def _stats_tables(counted: Stats) -> list[Table]:
    overview = Table(title="Log", show_header=False)
    for name, value in counted.summary().items():
        overview.add_row(name, f"{value:.1%}" if name in ("accuracy", "answered") else f"{value:,.4g}")
    tables = [overview, _tool_table(counted)]
    for title, counts in (
        ("Model errors (E1-E6)", counted.errors),
        ("Faults", counted.faults),
        ("Ends", counted.ends),
    ):
        table = Table(title=title, show_header=False)
        for name, count in counts.most_common():
            table.add_row(escape(name), f"{count:,}")
        tables.append(table)
    parts = Table("part", "mean", title="Reward parts")
    for name, total in sorted(counted.parts.items()):
        parts.add_row(escape(name), f"{total / max(counted.episodes, 1):.4f}")
    kinds = Table("kind", "right", "all", "accuracy", title="Question kinds")
    for kind, (right, total) in sorted(counted.kinds.items()):
        kinds.add_row(escape(kind), str(right), str(total), f"{right / total:.1%}")
    return [*tables, parts, kinds]


def _tool_table(counted: Stats) -> Table:
    """Tools by how often they were called; percentiles of seconds are of calls that ran, not of cached ones."""
    table = Table("tool", title="Tool calls (faulted episodes included)")
    for heading in ("calls", "cached", "p50 s", "p95 s", "total s"):
        table.add_column(heading, justify="right")
    table.add_column("model errors")
    table.add_column("faults")
    for name, tool in sorted(counted.tools.items(), key=lambda item: -item[1].calls):
        times = (tool.percentile(50), tool.percentile(95), tool.total_s)
        failed = (_in_words(tool.errors), _in_words(tool.faults))
        table.add_row(
            escape(name), f"{tool.calls:,}", f"{tool.cached:,}", *(f"{value:.3f}" for value in times), *failed
        )
    return table


def _in_words(counts: Counter[str]) -> str:
    return escape(", ".join(f"{name} {count:,}" for name, count in counts.most_common()))


def _confusion_table(result: Regrade, name: str) -> Table:
    counts = result.confusion
    table = Table("log says", f"{name}: right", f"{name}: wrong", title="Verdicts")
    for old, label in ((True, "right"), (False, "wrong")):
        table.add_row(label, str(counts[old, True]), str(counts[old, False]))
    return table
