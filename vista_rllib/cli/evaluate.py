"""`rllib evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vista_rllib.cli.group import set_verbosity

TASKS = "What is asked"


def evaluate_command(
    checkpoint: Annotated[
        str | None,
        typer.Argument(help="Folder of a run, a checkpoint, a model folder, or a hub id. Not needed with --policy."),
    ] = None,
    policy: Annotated[str | None, typer.Option(help="Evaluate a named policy, such as scripted.")] = None,
    env: Annotated[
        str | None, typer.Option(help="Env, where no run names one (default: vista/ChartQA-v0).", rich_help_panel=TASKS)
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of a dataset.", rich_help_panel=TASKS)] = None,
    split: Annotated[str | None, typer.Option(help="train, val or test.", rich_help_panel=TASKS)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many tasks.", rich_help_panel=TASKS)] = None,
    tools: Annotated[
        str | None, typer.Option(help="Tools on offer, separated by commas, or none.", rich_help_panel=TASKS)
    ] = None,
    max_attempts: Annotated[
        int | None, typer.Option(min=1, help="Answers per task (default: 1).", rich_help_panel=TASKS)
    ] = None,
    feedback: Annotated[
        str | None, typer.Option(help="Feedback between attempts (default: verdict).", rich_help_panel=TASKS)
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--numerical-tolerance",
            min=0.0,
            help="Relative error at which a number is right (default: the grader's).",
            rich_help_panel=TASKS,
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, as in training. May be repeated."),
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="Cluster to use, as `ray.init` takes it.")] = None,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, help="Say more: -v, -vv.", show_default=False)
    ] = 0,
) -> None:
    """Evaluate a trained policy, a model, or a named policy on held-out tasks.

    What is left out is taken from the run's own `evaluation`, so that figures compare.
    """
    set_verbosity(verbose)
    if checkpoint is None and policy is None:
        raise typer.BadParameter("expected a run, a checkpoint or a model, or --policy", param_hint="CHECKPOINT")
    if json_file is not None and not json_file.resolve().parent.is_dir():
        raise typer.BadParameter(f"{json_file.parent} is no folder", param_hint="--json")
    # Ray takes seconds to import: `--help` and a mistyped option should not wait for it.
    from vista_rllib.cli.evaluating import evaluate_target
    from vista_rllib.run.ray_runtime import Cluster

    wishes = {
        "data": str(data) if data is not None else None,
        "split": split,
        "limit": limit,
        "tools": tuple(name.strip() for name in tools.split(",")) if tools is not None else None,
        "max_attempts": max_attempts,
        "feedback": feedback,
        "tolerance": tolerance,
    }
    evaluate_target(
        checkpoint,
        policy=policy,
        env=env,
        wishes={name: value for name, value in wishes.items() if value is not None},
        settings=settings or (),
        json_file=json_file,
        cluster=Cluster(ray_address, verbose=verbose > 0),
    )
