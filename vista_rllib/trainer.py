"""`Trainer`: evaluates, trains until a criterion is met, evaluates again, and leaves everything on disk.

It drives any RLlib algorithm: what a metric is called is all it knows of one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from rich.console import Console

from vista_rllib.evaluation import evaluate
from vista_rllib.run.checkpoints import Checkpoints, RunProgress, read_progress, restore
from vista_rllib.run.curve import draw_curve
from vista_rllib.run.evaluation_display import evaluation_progress
from vista_rllib.run.evaluation_plan import EvaluationPlan
from vista_rllib.run.files import write_json, write_text
from vista_rllib.run.interrupt import Interrupt, Interrupted
from vista_rllib.run.live_table import LiveTable
from vista_rllib.run.memory import PeakMemory
from vista_rllib.run.progress_log import ITERATION, ProgressLog, Row, Sink, flatten
from vista_rllib.run.results import RunFolder, RunRecord
from vista_rllib.run.stop import reached
from vista_rllib.run.summary import Summary, dump_config, summarize

Report = dict[str, Any]
LEDGER = "ledger.jsonl"
LOGS = {"trajectory_dir": "trajectories", "ledger_path": LEDGER}
"""Config attribute to file in the run's folder, for algorithms that have it and where it is not set."""


@dataclass
class Trainer:
    """One run of one config in one folder.

    Attributes:
        config: the algorithm's config.
        folder: the run's folder; its newest checkpoint is where training goes on.
        record: what was asked for; updated with the evaluations that must not be repeated.
        console: where the table goes.
        evaluation: held-out evaluation before and after; None for none.
        sinks: further places for the rows.
    """

    config: AlgorithmConfig
    folder: RunFolder
    record: RunRecord
    console: Console
    evaluation: EvaluationPlan | None = None
    sinks: Sequence[Sink] = ()

    def __post_init__(self) -> None:
        self._params = dump_config(self.config)  # before paths of this folder come in
        self._config = self.config.copy(copy_frozen=False)
        for name, file in LOGS.items():
            if getattr(self._config, name, "") is None:
                setattr(self._config, name, str(self.folder.path / file))
        self._checkpoints = Checkpoints(self.folder.path, self.record.keep_checkpoints)
        self._after: Report | None = None

    def run(self) -> Summary:
        """Trains to the end.

        Raises:
            Interrupted: Ctrl-C or SIGTERM; a checkpoint and a summary are on disk.
            CheckpointError: a checkpoint cannot be written or restored.
            StopError: a stop criterion names a metric that the algorithm does not report.
        """
        started = time.monotonic()
        self._checkpoints.clean()
        checkpoint = self._checkpoints.newest()
        earlier = read_progress(checkpoint) if checkpoint else RunProgress()
        if checkpoint is None:  # nothing of an earlier process's training is left
            (self.folder.path / LEDGER).unlink(missing_ok=True)
        write_text(self.folder.path / "params.json", self._params)
        log = ProgressLog(self.folder.path, until=earlier.iteration, sinks=self.sinks)
        with PeakMemory() as memory, Interrupt(self.console) as interrupt:

            def progress() -> RunProgress:
                iteration = int(log.rows[-1][ITERATION]) if log.rows else 0
                wall_s = earlier.wall_s + time.monotonic() - started
                return RunProgress(iteration, wall_s, max(earlier.peak_rss_gib, memory.peak_gib))

            status, stopped_by, algo = "failed", "", None
            try:
                with self.console.status("Building the algorithm"):
                    algo = self._config.build_algo()
                    if checkpoint:
                        restore(algo, checkpoint)
                self._evaluate_before(algo)
                stopped_by = self._train(algo, log, progress, interrupt)
                self._after = self._evaluate(algo, "after training") if self.evaluation else None
                status = "finished"
            except KeyboardInterrupt as error:  # Ray raises its own in place of ours
                status = "interrupted"
                if interrupt.cut:  # the state is neither the old nor the new
                    self.console.print("Left within an iteration: resuming goes on from the last checkpoint.")
                elif algo is not None and log.rows:
                    self._checkpoints.save(algo, progress())
                raise Interrupted(interrupt.signum) from error
            finally:
                log.close()
                summary = summarize(
                    log.rows,
                    status=status,
                    stopped_by=stopped_by,
                    before=self.record.before,
                    after=self._after,
                    baseline=self.record.baseline,
                    wall_s=progress().wall_s,
                    peak_rss_gib=progress().peak_rss_gib,
                    params=self._params,
                )
                write_json(self.folder.path / "summary.json", summary.to_dict())
                self._draw(log.rows)
                if algo is not None:
                    algo.stop()
                    _remove_empty(Path(algo.logdir))
        return summary

    def _train(
        self, algo: Algorithm, log: ProgressLog, progress: Callable[[], RunProgress], interrupt: Interrupt
    ) -> str:
        """Iterates until a criterion is met; returns it in words."""
        table = LiveTable(self.console)
        record = self.record
        stopped_by = reached(record.stop, log.rows[-1]) if log.rows else None
        while stopped_by is None:
            with interrupt.deferred("this iteration"):
                with self.console.status(f"Iteration {progress().iteration + 1}"):
                    result = algo.train()
                log.write(_row(result, progress()))
                table.add(log.rows[-1])
                done = progress()
                if record.checkpoint_freq and done.iteration % record.checkpoint_freq == 0:
                    self._checkpoints.save(algo, done)
                    self._draw(log.rows)
            stopped_by = reached(record.stop, log.rows[-1])
        if record.checkpoint_at_end:
            with interrupt.deferred("the checkpoint"):
                self._checkpoints.save(algo, progress())
        return stopped_by

    def _evaluate_before(self, algo: Algorithm) -> None:
        """Evaluates the untrained policy and the baseline, once in the life of a run."""
        if self.evaluation is None:
            return
        record = self.record
        if record.baseline is None and self.evaluation.baseline:
            record.baseline = self._evaluate(algo, f"{self.evaluation.baseline} baseline", self.evaluation.baseline)
            self.folder.write_record(record)
        if record.before is None and algo.training_iteration == 0:
            record.before = self._evaluate(algo, "before training")
            self.folder.write_record(record)

    def _evaluate(self, algo: Algorithm, when: str, policy: str | None = None) -> Report:
        assert self.evaluation is not None
        with evaluation_progress(self.console, f"Evaluating, {when}") as progress:
            report = evaluate(
                self._config,
                policy=policy,
                algo=None if policy else algo,
                progress=progress,
                **self.evaluation.arguments(),
            )
        self.console.print(
            f"[bold]Held out, {when}[/bold]: accuracy {report.accuracy:.1%} of {report.num_tasks} tasks, "
            f"{report.tool_calls_per_episode:.2f} tool calls per episode, {report.num_faults} faults",
            soft_wrap=True,
        )
        return report.to_dict()

    def _draw(self, rows: Sequence[Row]) -> None:
        title = f"{self.record.experiment}, {len(rows)} iterations"
        draw_curve(
            self.folder.path / "learning_curve.png", rows, before=self.record.before, after=self._after, title=title
        )


def _remove_empty(folder: Path) -> None:
    """RLlib makes a folder of its own in the user's home, which this trainer does not use."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _row(result: Mapping[str, Any], done: RunProgress) -> Row:
    """The flat metrics of one iteration; time counts from the run's first start, over all its processes."""
    return flatten(result) | {"time_total_s": done.wall_s, "peak_rss_gib": done.peak_rss_gib}
