"""`Checkpoints`: saves an algorithm whole or not at all, and finds the newest again."""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError

from ray import cloudpickle
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from tools.errors import VistaError
from vista_rllib.run.files import link, read_json, write_json

NAME = re.compile(r"checkpoint_(\d{6,})")
LATEST = "checkpoint_latest"
PROGRESS = "trainer.json"


class CheckpointError(VistaError):
    """A checkpoint cannot be written or read. The message names it."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far the run had come at a checkpoint.

    Attributes:
        iteration: iterations done.
        wall_s: seconds of all processes of the run so far.
        peak_rss_gib: largest resident memory so far, GiB.
    """

    iteration: int = 0
    wall_s: float = 0.0
    peak_rss_gib: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints in a run's folder.

    Attributes:
        folder: the run's folder.
        keep: how many of the newest stay; None for all.
    """

    folder: Path
    keep: int | None = None

    def all(self) -> list[Path]:
        """Complete checkpoints, oldest first."""
        found = [(int(match[1]), path) for path in self.folder.iterdir() if (match := NAME.fullmatch(path.name))]
        return [path for _, path in sorted(found)]

    def newest(self) -> Path | None:
        """The checkpoint to resume from."""
        return next(reversed(self.all()), None)

    def save(self, algo: Algorithm, progress: RunProgress) -> Path:
        """Saves under a temporary name, renames, points `checkpoint_latest` at it and removes what is too old.

        Raises:
            CheckpointError: the disk refused; earlier checkpoints are untouched.
        """
        path = self.folder / f"checkpoint_{progress.iteration:06d}"
        if path.exists():
            return path
        temporary = self.folder / f".{path.name}.tmp"
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            algo.save_to_path(str(temporary))
            write_json(temporary / PROGRESS, asdict(progress))
            temporary.rename(path)
            link(self.folder / LATEST, path.name)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise CheckpointError(f"{path}: cannot be written: {error}") from error
        if self.keep is not None:
            for old in self.all()[: -self.keep]:
                self._remove(old)
        return path

    def clean(self) -> None:
        """Removes what a killed process left half-written or half-removed."""
        for path in self.folder.glob(".checkpoint_*.tmp"):
            if path.is_symlink():
                path.unlink()
            else:
                shutil.rmtree(path)

    def _remove(self, path: Path) -> None:
        doomed = path.with_name(f".{path.name}.tmp")
        path.rename(doomed)  # at once no checkpoint any more
        shutil.rmtree(doomed)


def read_progress(checkpoint: Path) -> RunProgress:
    """How far the run had come at `checkpoint`.

    Raises:
        ResultsError: the checkpoint holds no such file.
    """
    return RunProgress(**read_json(checkpoint / PROGRESS))


def stored_config(checkpoint: Path) -> AlgorithmConfig:
    """The config that RLlib stores beside the state. Reading it runs code of the checkpoint, as restoring does.

    Raises:
        CheckpointError: the checkpoint is damaged, or its classes are not installed here.
    """
    path = checkpoint / Algorithm.CLASS_AND_CTOR_ARGS_FILE_NAME
    try:
        (state, *_), _ = cloudpickle.loads(path.read_bytes())["ctor_args_and_kwargs"]
        return AlgorithmConfig.from_state(state)
    except (OSError, EOFError, ValueError, KeyError, ImportError, AttributeError, UnpicklingError) as error:
        raise CheckpointError(f"{path}: cannot be read: {type(error).__name__}: {error}") from error


def restore(algo: Algorithm, checkpoint: Path) -> None:
    """Restores a freshly built algorithm.

    Raises:
        CheckpointError: the checkpoint is damaged or of another model.
    """
    try:
        algo.restore_from_path(str(checkpoint.resolve()))
    except (OSError, EOFError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{checkpoint}: cannot be restored: {type(error).__name__}: {error}") from error
