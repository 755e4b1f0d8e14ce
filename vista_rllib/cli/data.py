"""`vista data`: convert raw releases into task sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from envs.datasets.convert import Report, convert
from envs.datasets.registry import datasets, get_dataset
from envs.datasets.store import TaskSet, on_progress, progress_bar
from vista_rllib.cli.group import ErrorGroup, out

app = typer.Typer(cls=ErrorGroup, help="Convert raw releases into task sets.", no_args_is_help=True)


@app.callback()
def data() -> None:
    """Convert raw releases into task sets."""


@app.command("list")
def list_datasets() -> None:
    """Lists the datasets that can be converted, and what their releases look like."""
    table = Table("name", "layout")
    for dataset in datasets().values():
        table.add_row(dataset.name, escape(dataset.layout))
    out().print(table)


@app.command("convert")
def convert_command(
    name: Annotated[str, typer.Argument(help="Dataset: see `vista data list`.")],
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="[SRC] OUT", help="The release or hub:owner/name (not for `embedded`); the new folder."),
    ],
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many tasks of each split.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Where relative image paths start (vlmgym).")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="A record that would be skipped is an error.")] = False,
    keep_unanswered: Annotated[
        bool, typer.Option("--keep-unanswered", help="Keep the questions of splits released without answers.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing task set.")] = False,
) -> None:
    """Converts a raw release into a task set, and prints what was written and what was skipped."""
    get_dataset(name)
    wanted = 1 if name == "embedded" else 2
    if len(paths) != wanted:
        usage = "OUT" if wanted == 1 else "SRC OUT"
        raise typer.BadParameter(f"`vista data convert {name}` takes {usage}, got {len(paths)} paths")
    source = None if wanted == 1 else paths[0]
    with progress_bar() as bar:
        report = convert(
            name, source, paths[-1], split=split, limit=limit, data_root=data_root, strict=strict,
            keep_unanswered=keep_unanswered, overwrite=overwrite, on_progress=on_progress(bar),
        )  # fmt: skip
    show_report(report, paths[-1])


def show_report(report: Report, folder: Path) -> None:
    """Prints the counts of a conversion: tasks by split, skips by reason with the first ids."""
    task_set = TaskSet.open(folder)
    table = Table("", "count", "", title=escape(f"{report.dataset} -> {folder}"))
    for split, count in report.tasks.items():
        table.add_row(f"tasks, {split}", f"{count:,}", "")
    table.add_row("images", f"{task_set.report['images']:,}", "")
    for reason, count in sorted(report.skipped.items()):
        first = ", ".join(id for id, _ in report.listed[reason][:3])
        table.add_row(f"skipped: {reason}", f"{count:,}", escape(f"{first}{' ...' if count > 3 else ''}"))
    out().print(table)
    if report.skipped:
        out().print(f"Each skip with its reason: {folder / 'report.json'}", markup=False)
