"""Showing an evaluation: a progress bar while it runs, a table when it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table


@contextmanager
def evaluation_progress(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar (terminals only); the function yielded takes episodes done and episodes in all."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def evaluation_table(report: Mapping[str, Any], title: str) -> Table:
    """The figures of `EvaluationReport.to_dict()`."""
    table = Table(title=title, show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("accuracy", f"{report['accuracy']:.1%}", style="bold")
    if report["first_attempt_accuracy"] != report["accuracy"]:
        table.add_row("accuracy, first attempt", f"{report['first_attempt_accuracy']:.1%}")
    for kind, accuracy in sorted(report["by_kind"].items()):
        table.add_row(f"  {kind}", f"{accuracy:.1%}")
    table.add_section()
    table.add_row("tasks", str(report["num_tasks"]))
    table.add_row("tool calls per episode", f"{report['tool_calls_per_episode']:.2f}")
    table.add_row("response tokens", f"{report['response_tokens']:.1f}")
    table.add_row("episodes lost to faults", str(report["num_faults"]))
    table.add_section()
    for name, count in sorted(report.get("failures", {}).items(), key=lambda item: -item[1]):
        table.add_row(f"wrong: {name}", str(count))
    table.add_row("seconds", f"{report['wall_s']:.1f}")
    return table
