"""The real sandbox for tests, and what they ask of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tools.errors import ErrorCode, ModelError
from tools.image import Image
from tools.python import Python
from tools.sandbox.settings import SandboxSettings
from tools.tool import ToolCall, ToolResult

NOTHING = "[no output; print() what you want to see]"
"""What a call without output says."""
SECRET = "correct-horse-battery-staple"
"""In this process's environment while the fixture `tool` is in use."""


def need_sandbox() -> None:
    """Skips the test where no sandbox can run; fails it in CI, where one must."""
    if reason := Python.unavailable(SandboxSettings()):
        if os.environ.get("CI") == "true":
            pytest.fail(f"the sandbox must run in CI: {reason}")
        pytest.skip(reason)


@contextmanager
def sandbox(**settings: object) -> Iterator[Python]:
    """A tool of one's own, with no more containers made ready than asked for."""
    need_sandbox()
    tool = Python(SandboxSettings.model_validate({"warm": 0, **settings}))
    try:
        yield tool
    finally:
        tool.close()


def call(
    tool: Python, code: str, episode: str = "shared", timeout: float = 8.0, images: Sequence[Image] = ()
) -> ToolResult:
    """The result of one call."""
    (result,) = tool.run([ToolCall("python", {"code": code, "timeout": timeout}, tuple(images), episode)])
    return result


def printed(tool: Python, code: str, episode: str = "shared") -> str:
    """What code prints that must work."""
    result = call(tool, code, episode)
    assert result.error is None, result.error
    return result.text


def refused(result: ToolResult) -> str:
    """What the policy reads about a call that must fail, and by its own fault."""
    assert isinstance(result.error, ModelError), result
    assert result.error.code is ErrorCode.ARGUMENT_CONTENT
    return result.error.message


@pytest.fixture(scope="module")
def tool() -> Iterator[Python]:
    need_sandbox()
    os.environ["VISTA_SECRET"] = SECRET
    with sandbox(warm=1) as python:
        yield python
    del os.environ["VISTA_SECRET"]


@pytest.fixture(autouse=True)
def nothing_is_left(tool: Python) -> Iterator[None]:
    yield
    processes = "import os; print(sorted(int(p) == os.getpid() or int(p) for p in os.listdir('/proc') if p.isdigit()))"
    assert printed(tool, processes) == "[1, True]"
    printed(
        tool,
        "import os, shutil\nfor entry in os.scandir('.'):\n    shutil.rmtree(entry.path) if entry.is_dir("
        "follow_symlinks=False) else os.unlink(entry.path)\nos.mkdir('.tmp')",
    )
