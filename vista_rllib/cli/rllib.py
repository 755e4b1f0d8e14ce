"""`rllib`: train and evaluate."""

from __future__ import annotations

import typer

from vista_rllib.cli.evaluate import evaluate_command
from vista_rllib.cli.group import ErrorGroup
from vista_rllib.cli.train import train_file

app = typer.Typer(cls=ErrorGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
train = typer.Typer(cls=ErrorGroup, no_args_is_help=True)
app.add_typer(train, name="train")
app.command("evaluate")(evaluate_command)
train.command("file")(train_file)


@app.callback()
def rllib() -> None:
    """Trains and evaluates RLlib algorithms from tuned examples."""


@train.callback()
def train_group() -> None:
    """Train an algorithm."""


def main() -> None:
    """Entry point of the `rllib` command."""
    app(prog_name="rllib")
