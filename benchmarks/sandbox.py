"""Milliseconds of a `python` call: in the container that an episode has, in one made ready before, and in a new one.

Run `python benchmarks/sandbox.py [--calls 200] [--containers 10]`. Time is what the caller waits. Needs the sandbox
(`docker/build.sh`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Annotated

import numpy as np
import PIL.Image
import typer
from rich.console import Console
from rich.table import Table

from tools.image import Image
from tools.python import Python
from tools.sandbox.settings import SandboxSettings
from tools.tool import ToolCall

TARGET_MS = 75
"""Median of a warm call that the project asks for."""

CODES = {
    "warm: print": "print(6 * 7)",
    "warm: pandas, sympy": (
        "import pandas, sympy\nx = sympy.symbols('x')\nprint(sympy.solve(x**2 - 4, x))\n"
        "print(pandas.DataFrame({'a': [1, 2]}).describe())"
    ),
    "warm: crop of a picture": (
        "import PIL.Image\nPIL.Image.open('image_0.png').crop((0, 0, 300, 200)).save('crop.png')"
    ),
    "warm: a figure": "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.show()",
}


def milliseconds(call: Callable[[], None], times: int) -> list[float]:
    """How long each of several calls took."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def call_with(tool: Python, code: str, images: tuple[Image, ...], episode: str) -> None:
    """One call, which must work."""
    (result,) = tool.run([ToolCall("python", {"code": code}, images, episode)])
    if result.error is not None:
        raise RuntimeError(f"{code!r}: {result.error.message}")


def main(
    calls: Annotated[int, typer.Option(help="Calls of each warm row.")] = 200,
    containers: Annotated[int, typer.Option(help="Containers of each cold row.")] = 10,
) -> None:
    """Prints one row per kind of call."""
    pixels = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    images = (Image.from_pil(PIL.Image.fromarray(pixels)),)
    rows: dict[str, list[float]] = {}
    if reason := Python.unavailable(SandboxSettings()):
        raise typer.BadParameter(reason)
    tool = Python(SandboxSettings(warm=0))
    try:
        for name, code in CODES.items():
            call_with(tool, code, images, "episode")
            rows[name] = milliseconds(lambda code=code: call_with(tool, code, images, "episode"), calls)  # type: ignore[misc]
        rows["cold: a new container"] = milliseconds(lambda: call_with(tool, "print(1)", images, ""), containers)
    finally:
        tool.close()
    tool = Python(SandboxSettings(warm=1))
    try:
        taken = []
        for number in range(containers):
            time.sleep(4)  # an episode's first call seldom follows at once on another's
            taken += milliseconds(lambda n=number: call_with(tool, "print(1)", images, str(n)), 1)  # type: ignore[misc]
            tool.end_episode(str(number))
        rows["first: a container made ready"] = taken
    finally:
        tool.close()
    table = Table(title=f"python tool, an 800 x 600 picture in the episode (target: warm p50 {TARGET_MS} ms)")
    for column in ("call", "p50 ms", "p99 ms", "calls"):
        table.add_column(column, justify="left" if column == "call" else "right")
    for name, taken in rows.items():
        p99 = float(np.percentile(taken, 99))
        table.add_row(name, f"{statistics.median(taken):.1f}", f"{p99:.1f}", str(len(taken)))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
