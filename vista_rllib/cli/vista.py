"""`vista`: datasets, tools, grading and trajectory logs."""

from __future__ import annotations

import typer

from vista_rllib.cli.group import LazyGroup


class VistaGroup(LazyGroup):
    """Sub-commands of `vista`."""

    modules = {
        "data": ("vista_rllib.cli.data", "Convert, check and look at datasets."),
        "grade": ("vista_rllib.cli.grade", "Score a file of predictions, any model's."),
        "tools": ("vista_rllib.cli.tools", "List the tools, call one, show their prompt, serve them."),
        "trajectories": ("vista_rllib.cli.trajectories", "Show, summarise and regrade trajectory logs."),
    }


app = typer.Typer(cls=VistaGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def vista() -> None:
    """Datasets, tools, grading and trajectory logs of vista-rllib."""


def main() -> None:
    """Entry point of the `vista` command."""
    app(prog_name="vista")
