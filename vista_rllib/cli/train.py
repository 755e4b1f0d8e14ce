"""`rllib train file`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vista_rllib.cli.group import set_verbosity

STORAGE = "Where results are kept"
STOPPING = "When to stop, what to change"
CLUSTER = "Ray"
RESULTS = Path("results")


def train_file(
    file: Annotated[
        Path | None, typer.Argument(help="Python file that defines `config`, and may define `stop` and `evaluation`.")
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            help="Stop when a metric reaches a value: training_iteration=100, or a JSON object. May be repeated; adds "
            "to the file's own `stop`.",
            rich_help_panel=STOPPING,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting: lr=1e-5, env_config.max_turns=2, model.model=Qwen/Qwen2.5-VL-7B-Instruct, "
            "evaluation.limit=50. May be repeated.",
            rich_help_panel=STOPPING,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces the config's seed.", rich_help_panel=STOPPING)] = None,
    num_samples: Annotated[
        int, typer.Option(min=1, help="More than 1: so many trials through Ray Tune.", rich_help_panel=STOPPING)
    ] = 1,
    framework: Annotated[str, typer.Option(help="Only torch.", rich_help_panel=STOPPING)] = "torch",
    experiment: Annotated[
        str | None,
        typer.Option("--experiment-name", "-n", help="Name of the run. (default: the file's)", rich_help_panel=STORAGE),
    ] = None,
    storage_path: Annotated[Path, typer.Option(help="Folder of all results.", rich_help_panel=STORAGE)] = Path(
        "results"
    ),
    checkpoint_freq: Annotated[
        int | None,
        typer.Option(min=0, help="Iterations between checkpoints, 0: none. (default: 10)", rich_help_panel=STORAGE),
    ] = None,
    checkpoint_at_end: Annotated[
        bool | None, typer.Option(help="Save the last iteration. (default: yes)", rich_help_panel=STORAGE)
    ] = None,
    keep_checkpoints: Annotated[
        int | None,
        typer.Option(
            "--keep-checkpoints-num", min=1, help="Keep the newest so many. (default: 2)", rich_help_panel=STORAGE
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest run of this experiment.", rich_help_panel=STORAGE)
    ] = False,
    resume_from: Annotated[
        Path | None, typer.Option(help="Go on with the run in this folder.", rich_help_panel=STORAGE)
    ] = None,
    wandb_key: Annotated[
        str | None, typer.Option(envvar="WANDB_API_KEY", help="Log to Weights & Biases.", rich_help_panel=STORAGE)
    ] = None,
    wandb_project: Annotated[str, typer.Option(help="Its project.", rich_help_panel=STORAGE)] = "vista-rllib",
    ray_address: Annotated[
        str | None, typer.Option(help="Cluster to use, as `ray.init` takes it.", rich_help_panel=CLUSTER)
    ] = None,
    ray_num_cpus: Annotated[int | None, typer.Option(help="Cores of a local Ray.", rich_help_panel=CLUSTER)] = None,
    ray_num_gpus: Annotated[int | None, typer.Option(help="GPUs of a local Ray.", rich_help_panel=CLUSTER)] = None,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, help="Say more: -v, -vv.", show_default=False)
    ] = 0,
) -> None:
    """Train from a tuned example, a Python file.

    Ctrl-C ends after the current iteration and saves; `--resume` goes on from there.
    """
    set_verbosity(verbose)
    if framework != "torch":
        raise typer.BadParameter(f"only torch is supported, got {framework}", param_hint="--framework")
    if file is None and resume_from is None:
        raise typer.BadParameter("expected a Python file that defines `config`, or --resume-from", param_hint="FILE")
    # Ray takes seconds to import: `--help` and a mistyped option should not wait for it.
    from vista_rllib.cli.training import Cluster, start
    from vista_rllib.run.launch import Request
    from vista_rllib.run.stop import parse_stop

    request = Request(
        overrides=settings or (),
        stop=parse_stop(stop or ()),
        experiment=experiment,
        storage=storage_path,
        seed=seed,
        checkpoint_freq=checkpoint_freq,
        checkpoint_at_end=checkpoint_at_end,
        keep_checkpoints=keep_checkpoints,
    )
    start(
        file,
        request,
        resume=resume,
        resume_from=resume_from,
        num_samples=num_samples,
        cluster=Cluster(ray_address, ray_num_cpus, ray_num_gpus, verbose > 0),
        wandb=(wandb_key, wandb_project) if wandb_key else None,
    )
