"""`vista tools`: the visual tools."""

from __future__ import annotations

import typer

from vista_rllib.cli.group import ErrorGroup
from vista_rllib.cli.tools_serve import serve

app = typer.Typer(cls=ErrorGroup, help="Serve tools.", no_args_is_help=True)


@app.callback()
def tools() -> None:
    """Serve tools."""


app.command("serve")(serve)
