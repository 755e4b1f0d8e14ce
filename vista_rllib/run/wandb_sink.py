"""`WandbSink`: rows to Weights & Biases, when a key is given."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from tools.errors import VistaError
from vista_rllib.run.progress_log import ITERATION, Row


class WandbError(VistaError):
    """Weights & Biases cannot be used here."""


class WandbSink:
    """Logs each row as one step."""

    def __init__(self, key: str, project: str, folder: Path) -> None:
        """Signs in and starts (or, for the same folder, continues) a run.

        Raises:
            WandbError: the package is missing.
        """
        try:
            wandb: Any = importlib.import_module("wandb")
        except ImportError as error:
            raise WandbError("--wandb-key: the package wandb is not installed; `pip install wandb`") from error
        wandb.login(key=key)
        self._run = wandb.init(project=project, name=folder.name, id=folder.name, resume="allow", dir=str(folder))

    def write(self, row: Row) -> None:
        """Logs one row."""
        self._run.log(row, step=row[ITERATION])

    def close(self) -> None:
        """Ends the run."""
        self._run.finish()
