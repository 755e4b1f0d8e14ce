"""`vista tools`: which tools there are, what one does, and what the policy is told of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from envs.prompts import PROMPT_STYLES, system_prompt
from envs.protocol import call_names, parse_turn
from policies.call_queue import CallQueue
from tools.errors import ModelError, ToolUnavailableError, VistaError
from tools.image import Image
from tools.registry import backends_of, get_tool, registered_tools, select_backend
from tools.tool import Tool, ToolCall, ToolResult
from vista_rllib.cli.group import ErrorGroup, out
from vista_rllib.cli.tools_serve import serve
from vista_rllib.run.overrides import parse_value, split_setting
from vista_rllib.run.tuned_example import run_file

app = typer.Typer(cls=ErrorGroup, help="List the tools, call one, show their prompt, serve them.", no_args_is_help=True)
app.command("serve")(serve)

EXIT_FAILED = 1
"""Exit code of a call whose result is an error."""

File = Annotated[
    Path | None, typer.Option("--file", help="Python file that registers tools of your own, such as a tuned example.")
]


class ToolUseError(VistaError):
    """A call on the command line cannot be made. The message says what was expected."""


@app.callback()
def tools() -> None:
    """List the tools, call one, show their prompt, serve them."""


@app.command("list")
def list_tools(
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON in place of a table.")] = False,
    file: File = None,
) -> None:
    """Lists the tools with their backends: which can run here, where, and how to get the others."""
    _run_users(file)
    rows = [row for tool in registered_tools().values() for row in _backend_rows(tool)]
    families = sorted({row["family"] for row in rows})
    if family is not None and family not in families:
        raise ToolUseError(f"no tool is of family {family!r}; there are {', '.join(families)}")
    rows = sorted(
        (row for row in rows if family in (None, row["family"])), key=lambda row: families.index(row["family"])
    )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    out().print(_tool_table(rows))
    if missing := _missing_table(rows):
        out().print(missing)
    count = len({row["tool"] for row in rows})
    ready = len({row["tool"] for row in rows if row["available"]})
    out().print(f"{count} tools, {ready} of them can run here.")


@app.command()
def call(
    name: Annotated[str, typer.Argument(help="Tool: see `vista tools list`.")],
    images: Annotated[list[Path] | None, typer.Argument(help="The episode's images, 0 is the first.")] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="KEY=JSON", help="An argument of the call; text needs no quotes. Repeatable."),
    ] = None,
    backend: Annotated[str, typer.Option(help="Which backend (default: the first that can run here).")] = "",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=JSON", help="A setting of the backend. Repeatable.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Where to save its picture.")] = None,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds until it is given up.")] = 600.0,
    file: File = None,
) -> None:
    """Runs one call and prints what the policy would read, the data, and the time. Exit code 1: it failed."""
    _run_users(file)
    tool = get_tool(name)
    request = _request(tool, name, _pairs(arguments))
    pictures = tuple(map(Image.from_path, images or ()))
    selection = select_backend(name, backend, _pairs(settings))
    built = selection.build()
    try:
        queue = CallQueue(f"tool:{tool.name}", built.run, timeout_s=timeout_s)
        (result,) = queue.serve([ToolCall(tool.name, request, pictures)])
    finally:
        built.close()
    _show(result, selection.tool)
    if result.images:
        _say_pictures(result.images, save)
    if result.error is not None:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def prompt(
    names: Annotated[list[str] | None, typer.Argument(help="Tools (default: all that can run here).")] = None,
    style: Annotated[str, typer.Option(help="full or compact.")] = "full",
    file: File = None,
) -> None:
    """Prints the system prompt of an env that offers these tools."""
    _run_users(file)
    if style not in PROMPT_STYLES:
        raise ToolUseError(f"--style {style}: expected one of {', '.join(PROMPT_STYLES)}")
    wanted = [part for name in names or () for part in name.split(",") if part]
    chosen = [get_tool(name) for name in wanted] or [tool for tool in registered_tools().values() if _runs_here(tool)]
    typer.echo(system_prompt(style, list(dict.fromkeys(chosen))))


def _run_users(file: Path | None) -> None:
    if file is not None:
        run_file(file)


def _backend_rows(tool: type[Tool]) -> list[dict[str, Any]]:
    """One row per backend. Nothing is built."""
    rows = []
    for name, backend in backends_of(tool.name).items():
        settings = backend.settings_type()
        reason = backend.unavailable(settings)
        rows.append(
            {
                "family": tool.family,
                "tool": tool.name,
                "aliases": list(tool.aliases),
                "backend": name,
                "available": reason is None,
                "device": backend.device(settings),
                "reason": reason,
            }
        )
    return rows


def _tool_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One row per tool: what runs it here, and its other backends."""
    table = Table("family", "tool", "runs here by", "device", "other backends")
    last = ""
    for (family, tool), own in groupby(rows, key=lambda row: (row["family"], row["tool"])):
        if last and family != last:
            table.add_section()
        backends = list(own)
        chosen = next((row for row in backends if row["available"]), None)
        others = [
            escape(row["backend"]) if row["available"] else f"[dim]{escape(row['backend'])}[/dim]"
            for row in backends
            if row is not chosen
        ]
        by, device = (
            (f"[green]{escape(chosen['backend'])}[/green]", chosen["device"]) if chosen else ("[red]-[/red]", "")
        )
        table.add_row(escape(family if family != last else ""), escape(tool), by, escape(device), ", ".join(others))
        last = family
    return table


def _missing_table(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    """Every reason once, however many tools it keeps from running; None where everything runs."""
    tools: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["reason"]:
            tools.setdefault((row["backend"], row["reason"]), []).append(row["tool"])
    if not tools:
        return None
    table = Table("not here", "of", "why, and how to get it", show_lines=True)
    for (backend, reason), names in tools.items():
        of = names[0] if len(names) == 1 else f"{len(names)} tools"
        table.add_row(escape(backend), escape(of), escape(reason))
    return table


def _runs_here(tool: type[Tool]) -> bool:
    try:
        select_backend(tool.name)
    except ToolUnavailableError:
        return False
    return True


def _pairs(texts: Sequence[str] | None) -> dict[str, Any]:
    """`key=value` texts; a value is JSON where it can be read as that, and text where not."""
    return {key: parse_value(value) for key, value in map(split_setting, texts or ())}


def _request(tool: type[Tool], name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as a turn of the policy would bring them to the tool: checked in the same way."""
    body = json.dumps({"name": name, "arguments": arguments})
    parsed = parse_turn(f"<tool_call>{body}</tool_call>", call_names([tool]), "stop")
    if isinstance(parsed, ModelError):
        raise ToolUseError(f"{parsed.code}: {parsed.message}")
    return dict(getattr(parsed, "arguments", {}))


def _show(result: ToolResult, tool: type[Tool]) -> None:
    console = out()
    if result.error is not None:
        kind = str(result.error.code) if isinstance(result.error, ModelError) else f"Fault {result.error.kind}"
        console.print(f"{kind}: {result.error.message}", style="red", markup=False, soft_wrap=True)
    if result.text:
        console.print(result.text, markup=False, soft_wrap=True)
    if result.data is not None:
        console.print(f"data: {json.dumps(result.data, ensure_ascii=False)}", markup=False, soft_wrap=True)
    console.print(f"{result.wall_s:.3f} s, backend {tool.backend}", style="dim", markup=False)


def _say_pictures(images: Sequence[Image], save: Path | None) -> None:
    """Saves the pictures, the second as `NAME-2`, or says how to."""
    sizes = ", ".join("{} x {}".format(*image.size) for image in images)
    if save is None:
        out().print(f"picture of {sizes} pixels: --save FILE.png keeps it", markup=False)
        return
    for index, image in enumerate(images, 1):
        path = save if index == 1 else save.with_stem(f"{save.stem}-{index}")
        try:
            image.pil().save(path)
        except (OSError, ValueError) as error:
            raise ToolUseError(f"--save {path}: {error}") from error
        out().print(f"picture of {image.size[0]} x {image.size[1]} pixels saved to {path}", markup=False)
