"""Showing an evaluation: a progress bar while it runs, a table when it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from envs.episode_record import EpisodeRecord


@contextmanager
def evaluation_progress(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar (terminals only); the function yielded takes episodes done and episodes in all."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def fault_kinds(episodes: Iterable[EpisodeRecord]) -> dict[str, int]:
    """How many episodes each kind of fault voided, by kind and place."""
    return dict(Counter(f"{e.fault.kind} in {e.fault.where}" for e in episodes if e.fault is not None))


def evaluation_table(report: Mapping[str, Any], faults: Mapping[str, int], title: str) -> Table:
    """The figures of `EvaluationReport.to_dict()`, with the kinds of faults."""
    table = Table(title=title, show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("accuracy", f"{report['accuracy']:.1%}", style="bold")
    if report["first_attempt_accuracy"] != report["accuracy"]:
        table.add_row("accuracy, first attempt", f"{report['first_attempt_accuracy']:.1%}")
    for kind, accuracy in sorted(report["by_kind"].items()):
        table.add_row(escape(f"  {kind}"), f"{accuracy:.1%}")
    table.add_section()
    table.add_row("tasks", str(report["num_tasks"]))
    table.add_row("tool calls per episode", f"{report['tool_calls_per_episode']:.2f}")
    table.add_row("response tokens", f"{report['response_tokens']:.1f}")
    table.add_row("episodes lost to faults", str(report["num_faults"]))
    _add_counts(table, "", report["failures"])
    _add_counts(table, "turns with model error ", report["model_errors"])
    _add_counts(table, "fault: ", faults)
    table.add_section()
    table.add_row("seconds", f"{report['wall_s']:.1f}")
    return table


def _add_counts(table: Table, prefix: str, counts: Mapping[str, int]) -> None:
    table.add_section()
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        table.add_row(escape(f"{prefix}{name}"), str(count))
