"""`vista tools serve`, as a process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from service_tools import Moody, moody, remote
from typer.testing import CliRunner, Result

from tools.errors import Fault
from tools.registry import get_tool
from tools.tool import ToolCall
from vista_rllib.cli.vista import app

SERVE = ("tools", "serve", "--port", "0")


def vista(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["tools", "serve", *map(str, arguments)])


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", "from vista_rllib.cli.vista import main; main()", *SERVE, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"Serving on (http://\S+)", line):
                break
        else:
            pytest.fail("".join(lines))
        yield process, found[1]
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(number: signal.Signals) -> None:
    with serving("--tool", "calculator", "--tool", "zoom:embedded") as (process, url):
        asked = ToolCall("calculator", {"expression": "6 * 7"})
        assert remote(get_tool("calculator"), url).run([asked])[0].text == "42"
        process.send_signal(number)
        assert process.wait(20) == 0
        assert process.stdout is not None and "Stopping" in process.stdout.read()


def test_a_user_module_and_a_server_that_is_killed() -> None:
    with serving("--module", "service_tools", "--tool", Moody.name) as (process, url):
        client = remote(Moody, url, attempts=2)
        assert client.run([moody("fine", 5)])[0].text == "fine 5"
        (dead,) = client.run([moody("dies")])
        assert isinstance(dead.error, Fault) and dead.error.kind == "ServiceUnreachable"
        assert process.wait(20) == 1


def test_mistakes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISTA_TOOL_TOKEN", raising=False)
    for arguments, message in (
        (("--tool", "zoom", "--host", "0.0.0.0"), "VISTA_TOOL_TOKEN"),
        (("--tool", "zom"), "did you mean 'zoom'"),
        (("--port", "-1"), "port: "),
        ((tmp_path / "none.yaml",), "none.yaml: cannot be read"),
        (("--tool", "zoom", "--host", "no-such-host.invalid"), "VISTA_TOOL_TOKEN"),
    ):
        result = vista(*arguments)
        assert result.exit_code == 2 and message in result.output.replace("\n", ""), result.output


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = vista("--tool", "zoom", "--port", taken.getsockname()[1])
    assert result.exit_code == 2 and "in use" in result.output
