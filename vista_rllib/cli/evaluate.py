"""`rllib evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vista_rllib.cli.group import set_verbosity


def evaluate_command(
    checkpoint: Annotated[
        str | None,
        typer.Argument(help="Folder of a run, a checkpoint, a model folder, or a hub id. Not needed with --policy."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of a dataset. (default: the env's own)")] = None,
    split: Annotated[str | None, typer.Option(help="Which split. (default: the held-out one)")] = None,
    policy: Annotated[str | None, typer.Option(help="A named policy: scripted.")] = None,
    tools: Annotated[str | None, typer.Option(help="Tools on offer, separated by commas, or none.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many tasks.")] = None,
    max_attempts: Annotated[int, typer.Option(min=1, help="Answers per task.")] = 1,
    feedback: Annotated[str, typer.Option(help="Feedback between attempts.")] = "verdict",
    tolerance: Annotated[
        float, typer.Option("--numerical-tolerance", min=0.0, help="Relative error at which a number is right.")
    ] = 0.05,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting. May be repeated.")
    ] = None,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more.", show_default=False)] = 0,
) -> None:
    """Evaluate a trained policy, a model, or a named policy on held-out tasks."""
    set_verbosity(verbose)
