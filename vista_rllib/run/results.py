"""`RunFolder`: what a training run leaves on disk, and how the next process finds it again.

    results/<experiment>_<time>/
        tuned_example.py  run.json  params.json       what was asked for
        result.json  progress.csv  events.out.*       one row per iteration
        checkpoint_000010/  checkpoint_latest         state to resume from
        learning_curve.png  summary.json              what came of it
    results/latest                                    the newest run

Everything is written in one step or, for logs, cut back to the checkpoint on resume, so a run may be killed at any
moment.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from vista_rllib.run.files import ResultsError, link, read_json, write_json

TIME_FORMAT = "%Y-%m-%d_%H-%M-%S"


@dataclass(slots=True)
class RunRecord:
    """What was asked for, and what resuming must not do again: the contents of `run.json`.

    Attributes:
        file: the tuned example as given.
        experiment: name of the experiment.
        started: local time of the first start.
        overrides: every `--set`, in order.
        stop: metric to threshold.
        seed: of `--seed`; None leaves the config's own.
        checkpoint_freq: iterations between checkpoints; 0 for none on the way.
        checkpoint_at_end: whether the last iteration is saved.
        keep_checkpoints: how many of the newest checkpoints stay; None for all.
        before: the evaluation before training, once it is done.
        baseline: the evaluation of the baseline policy, once it is done.
    """

    file: str
    experiment: str
    started: str = ""
    overrides: list[str] = field(default_factory=list)
    stop: dict[str, float] = field(default_factory=dict)
    seed: int | None = None
    checkpoint_freq: int = 0
    checkpoint_at_end: bool = True
    keep_checkpoints: int | None = None
    before: dict[str, Any] | None = None
    baseline: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths and bookkeeping of one run's folder."""

    path: Path

    @classmethod
    def create(cls, storage: Path, record: RunRecord) -> RunFolder:
        """Makes the folder of a new run, copies the tuned example into it and points `latest` at it."""
        now = datetime.now()
        record.started = now.isoformat(timespec="seconds")
        name = f"{record.experiment}_{now.strftime(TIME_FORMAT)}"
        path, number = storage / name, 1
        while path.exists():
            number += 1
            path = storage / f"{name}_{number}"
        path.mkdir(parents=True)
        folder = cls(path.resolve())
        shutil.copyfile(record.file, folder.tuned_example)
        folder.write_record(record)
        link(storage / "latest", path.name)
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of an earlier run.

        Raises:
            ResultsError: it is no folder of a run.
        """
        folder = cls(path.resolve())
        if not (folder.path / "run.json").is_file():
            raise ResultsError(f"{path}: not the folder of a run; expected one with a run.json, as `rllib train` makes")
        return folder

    @classmethod
    def newest(cls, storage: Path, experiment: str) -> RunFolder:
        """The newest run of an experiment.

        Raises:
            ResultsError: there is none.
        """
        candidates = []
        for file in storage.glob("*/run.json"):
            if file.parent.is_symlink():
                continue
            record = cls(file.parent).read_record()
            if record.experiment == experiment:
                candidates.append((record.started, file.parent.name))
        if not candidates:
            raise ResultsError(f"{storage}: no run of the experiment {experiment} to resume")
        return cls.open(storage / max(candidates)[1])

    @classmethod
    def containing(cls, path: Path) -> RunFolder | None:
        """The run that a checkpoint belongs to, None for a checkpoint that stands alone."""
        parent = path.resolve().parent
        return cls(parent) if (parent / "run.json").is_file() else None

    @property
    def tuned_example(self) -> Path:
        """Copy of the tuned example, so that a later edit does not change this run."""
        return self.path / "tuned_example.py"

    def read_record(self) -> RunRecord:
        """Reads `run.json`.

        Raises:
            ResultsError: it is missing, damaged, or of another version.
        """
        values = read_json(self.path / "run.json")
        unknown = values.keys() - {f.name for f in fields(RunRecord)}
        if unknown or "file" not in values or "experiment" not in values:
            raise ResultsError(f"{self.path / 'run.json'}: not written by this version of vista-rllib")
        return RunRecord(**values)

    def write_record(self, record: RunRecord) -> None:
        """Replaces `run.json` in one step."""
        write_json(self.path / "run.json", asdict(record))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for one process; the lock ends with the process, however it ends.

        Raises:
            ResultsError: another process is training into the folder.
        """
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ResultsError(f"{self.path}: another process is training into this folder") from error
            yield
