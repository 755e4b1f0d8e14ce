"""What `rllib train file` does once its options are read."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from vista_rllib.cli.group import out, quiet_libraries, shown
from vista_rllib.run.interrupt import Interrupted
from vista_rllib.run.launch import Launch, Request, launch_again, launch_new
from vista_rllib.run.ray_runtime import Cluster, ray_runtime
from vista_rllib.run.results import RunFolder
from vista_rllib.run.sweep import METRICS, run_sweep
from vista_rllib.run.wandb_sink import WandbSink
from vista_rllib.trainer import Trainer

__all__ = ["Cluster", "start"]


def start(
    file: Path | None,
    request: Request,
    *,
    resume: bool,
    resume_from: Path | None,
    num_samples: int,
    cluster: Cluster,
    wandb: tuple[str, str] | None,
) -> None:
    """Trains, sweeps or resumes, and says what to do next.

    Args:
        file: the tuned example; None only with `resume_from`.
        request: what to change and where to write.
        resume: go on with the newest run of this experiment.
        resume_from: go on with the run in this folder.
        num_samples: trials of a sweep.
        cluster: the Ray to use.
        wandb: key and project of Weights & Biases.
    """
    console = out()
    if resume_from or resume:
        if resume_from:
            folder = RunFolder.open(resume_from)
        else:
            assert file is not None
            folder = RunFolder.newest(request.storage, request.experiment or file.stem)
        with folder.locked():
            launch = launch_again(folder, request)
            folder.write_record(launch.record)
            _train(launch, folder, cluster, wandb, console)
        return
    assert file is not None
    launch = launch_new(file, request)
    if num_samples > 1 or launch.example.param_space:
        with ray_runtime(cluster):
            _report_sweep(launch, request, num_samples, console)
        return
    folder = RunFolder.create(request.storage, launch.record)
    with folder.locked():
        _train(launch, folder, cluster, wandb, console)


def _train(
    launch: Launch, folder: RunFolder, cluster: Cluster, wandb: tuple[str, str] | None, console: Console
) -> None:
    quiet_libraries()
    record = launch.record
    where = shown(folder.path)
    criteria = ", ".join(f"{key} >= {value:g}" for key, value in record.stop.items()) or "Ctrl-C"
    algo_class = launch.config.algo_class
    console.print(
        f"[bold]{getattr(algo_class, '__name__', algo_class)}[/bold] on {launch.config.env}, until {criteria}"
    )
    console.print(f"Results in {where}", soft_wrap=True)
    trainer = Trainer(
        launch.config,
        folder,
        record,
        console,
        evaluation=launch.evaluation,
        sinks=[WandbSink(*wandb, folder.path)] if wandb else [],
    )
    with ray_runtime(cluster):
        try:
            summary = trainer.run()
        except Interrupted as interrupted:
            console.print(f"\nTo go on:  rllib train file --resume-from {where}", style="yellow", soft_wrap=True)
            raise typer.Exit(interrupted.exit_code) from interrupted
    before, after, baseline = summary.accuracy_before, summary.accuracy_after, summary.accuracy_baseline
    if before is not None and after is not None:
        line = f"\n[bold]Held-out accuracy: {before:.1%} before, {after:.1%} after[/bold]"
        console.print(line + (f" (baseline {baseline:.1%})" if baseline is not None else ""))
    console.print(
        f"{summary.iterations} iterations in {summary.wall_s:.0f} s, peak memory {summary.peak_rss_gib:.2f} GiB; "
        f"ended by {summary.stopped_by}",
        soft_wrap=True,
    )
    if summary.faults:
        kinds = ", ".join(f"{kind} {count}" for kind, count in summary.faults_by_kind.items())
        lost = f"{summary.faults} episodes lost to faults" + (f" (training: {kinds})" if kinds else "")
        console.print(lost, style="yellow", soft_wrap=True, markup=False)
    _say_next(console, where, ours=str(launch.config.env).startswith("vista/"), folder=folder)


def _say_next(console: Console, where: str, *, ours: bool, folder: RunFolder) -> None:
    """The commands to evaluate, resume and look at the run."""
    commands = [("Evaluate", f"rllib evaluate {where}")] if ours else []
    commands += [
        ("Train on", f"rllib train file --resume-from {where} --stop training_iteration=N"),
        ("Curve", f"{where}/learning_curve.png"),
        ("TensorBoard", f"tensorboard --logdir {where}"),
    ]
    if (folder.path / "trajectories").is_dir():
        commands.append(("Trajectories", f"vista trajectories show {where}/trajectories"))
    console.print()
    for title, command in commands:
        console.print(f"{title + ':':14}{command}", soft_wrap=True, markup=False)


def _report_sweep(launch: Launch, request: Request, num_samples: int, console: Console) -> None:
    results = run_sweep(launch, storage=request.storage, num_samples=num_samples)
    console.print(f"{len(results)} trials in {shown(Path(results.experiment_path))}", soft_wrap=True)
    frame = results.get_dataframe()
    metric = next((name for name in METRICS if name in frame), None)
    if metric is not None:
        best = results.get_best_result(metric=metric, mode="max")
        console.print(f"Best {metric}: {frame[metric].max():.4g}, in {shown(Path(best.path))}", soft_wrap=True)
