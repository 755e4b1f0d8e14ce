"""`vista tools serve`: a tool service (`tools.service`)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from tools.errors import ToolUnavailableError
from vista_rllib.cli.group import out, set_verbosity

if TYPE_CHECKING:
    from tools.service.served_tool import ServedTool


def serve(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="YAML or JSON file; the options below change it.")
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:BACKEND]", help="Serve this, in place of the file's tools. May be repeated."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="0: any that is free (default: 8500).")] = None,
    module: Annotated[
        list[str] | None, typer.Option(help="Import this first, for the tools that it registers. May be repeated.")
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="Cluster to use, as `ray.init` takes it.")] = None,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, help="Say more: -v, -vv.", show_default=False)
    ] = 0,
) -> None:
    """Serve tools over HTTP until interrupted.

    Without CONFIG and --tool: every tool that may be served remotely and can run here. Clients find the service through
    VISTA_TOOL_SERVICE. On any address but the loopback, a token in VISTA_TOOL_TOKEN is required of them.
    """
    set_verbosity(verbose)
    for package in ("uvicorn", "fastapi", "prometheus_client"):
        if find_spec(package) is None:
            raise ToolUnavailableError(f"a tool service needs {package}: pip install 'vista-rllib[serve]'")
    # The server's libraries take seconds to import: `--help` and a mistyped option should not wait for them.
    from tools.service.config import ServiceConfig
    from tools.service.server import running_server, settle_memory

    settings = ServiceConfig.from_file(config) if config is not None else ServiceConfig.checked({})
    wishes: dict[str, Any] = {
        "host": host,
        "port": port,
        "modules": module or None,
        "ray_address": ray_address,
        "tools": [_plan(text) for text in tool] if tool else None,
    }
    given = {name: value for name, value in wishes.items() if value is not None}
    settings = ServiceConfig.checked(settings.model_dump() | given)
    stopped = threading.Event()
    with running_server(settings) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        settle_memory()
        console = out()
        console.print(_table(server.served))
        console.print(f"Serving on {server.address}", soft_wrap=True, markup=False)
        stopped.wait()
        console.print("Stopping")


def _plan(text: str) -> dict[str, str]:
    name, _, backend = text.partition(":")
    return {"tool": name, "backend": backend}


def _table(served: Iterable[ServedTool]) -> Table:
    table = Table("tool", "backend", "runs in", "batch")
    for one in served:
        table.add_row(*one.key, "Ray Serve" if one.deployed else "this process", str(one.plan.max_batch))
    return table
