"""`Target`: what `rllib evaluate` is given, told apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tools.errors import VistaError
from vista_rllib.run.checkpoints import Checkpoints
from vista_rllib.run.results import RunFolder

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
SHIPPED = "vista-tiny"


class TargetError(VistaError):
    """What is to be evaluated is neither a run, a checkpoint nor a model."""


@dataclass(frozen=True, slots=True)
class Target:
    """Exactly one of `checkpoint` and `model` is set.

    Attributes:
        checkpoint: folder of a checkpoint.
        run: the run it belongs to, if it lies in one.
        model: model folder, hub id, or `vista-tiny`.
    """

    checkpoint: Path | None = None
    run: RunFolder | None = None
    model: str | None = None


def find_target(text: str) -> Target:
    """Tells a run folder (its newest checkpoint counts), a checkpoint, a model folder and a hub id apart.

    Raises:
        TargetError: it is none of them, or a run without a checkpoint.
    """
    path = Path(text)
    if path.is_dir():
        return _folder(path)
    if path.exists():
        raise TargetError(f"{text}: is a file; expected the folder of a run, a checkpoint or a model")
    if text == SHIPPED or (HUB_ID.fullmatch(text) and not Path(text.split("/")[0]).exists()):
        return Target(model=text)
    raise TargetError(f"{text}: no such folder; expected a run, a checkpoint, a model folder or a hub id (owner/name)")


def _folder(path: Path) -> Target:
    if (path / "run.json").is_file():
        run = RunFolder.open(path)
        newest = Checkpoints(run.path).newest()
        if newest is None:
            raise TargetError(f"{path}: this run has no checkpoint yet")
        return Target(checkpoint=newest, run=run)
    if (path / "rllib_checkpoint.json").is_file():
        return Target(checkpoint=path.resolve(), run=RunFolder.containing(path))
    if (path / "config.json").is_file():
        return Target(model=str(path))
    raise TargetError(
        f"{path}: holds no run (run.json), no checkpoint (rllib_checkpoint.json) and no model (config.json)"
    )
