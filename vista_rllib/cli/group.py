"""What both commands share: clear errors, consoles, sub-commands that load when they are called."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import typer
from rich.console import Console
from typer.core import TyperGroup

from tools.errors import VistaError

EXIT_ERROR = 2
"""Exit code of a bad command line, a bad file, or bad data."""
log = logging.getLogger("vista_rllib")


def out() -> Console:
    """Console for what was asked for. Made per call: tests and pipes exchange the stream."""
    return Console(highlight=False)


def err() -> Console:
    """Console for errors."""
    return Console(stderr=True, highlight=False)


def set_verbosity(level: int) -> None:
    """0: our warnings and Ray's errors, 1: what happens and tracebacks of errors, 2: everything."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=level > 0)
    for name in ("ray", "ray.rllib"):
        logging.getLogger(name).setLevel(logging.INFO if level else logging.ERROR)
    log.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(level, 2)])


def shown(path: Path) -> str:
    """The path from here, when it lies below."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)


def quiet_libraries() -> None:
    """No warning about RLlib's own registration, and no progress bars of transformers where nobody watches."""
    warnings.filterwarnings("ignore", message=".*Overriding environment rllib-")
    if not sys.stderr.isatty():
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()


class ErrorGroup(TyperGroup):
    """A command group that turns a `VistaError` into one red message and exit code 2 (the traceback with `-v`)."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the sub-command."""
        try:
            return super().invoke(ctx)
        except VistaError as error:
            log.info("Traceback of the error below", exc_info=True)
            err().print(f"Error: {error}", style="red", markup=False, soft_wrap=True)
            raise typer.Exit(EXIT_ERROR) from error


class LazyGroup(ErrorGroup):
    """A group whose sub-commands live in modules that are imported when one is called."""

    modules: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Sub-command to (module with a typer `app`, one line of help)."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the sub-commands."""
        return list(self.modules)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The sub-command, imported now; None when there is none of that name."""
        if cmd_name not in self.modules:
            return None
        module, help_text = self.modules[cmd_name]
        sub = importlib.import_module(module).app
        # A module whose app has no callback is one command, not a group of them.
        command = typer.main.get_group(sub) if sub.registered_callback else typer.main.get_command(sub)
        command.name, command.help, command.short_help = cmd_name, command.help or help_text, help_text
        return command
