"""Milliseconds of one `zoom` call on a 2,000 x 2,000 image whose pixels are already decoded (the cache does that).

Run `python benchmarks/zoom.py [--repeats 50]`. Encoding costs what the content costs, hence a chart (flat colours)
and a photograph; regions from a small one to the whole picture.
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import PIL.Image
import PIL.ImageDraw
import typer
from rich.console import Console
from rich.table import Table

from tools.image import Image
from tools.tool import ToolCall
from tools.zoom import Zoom

TARGET_MS = 5.0
"""Milliseconds that the project asks for."""
SIDE = 2000
REGIONS = {"1 %": 0.1, "4 %": 0.2, "25 %": 0.5, "whole": 1.0}
"""Share of the picture's area to the region's side as a fraction."""


def chart() -> Image:
    """Bars, grid lines and labels."""
    picture = PIL.Image.new("RGB", (SIDE, SIDE), "white")
    draw = PIL.ImageDraw.Draw(picture)
    for index in range(20):
        draw.line((0, 100 * index, SIDE, 100 * index), fill="#cccccc", width=2)
        colour = ("#1f77b4", "#ff7f0e", "#2ca02c")[index % 3]
        draw.rectangle((100 * index + 20, 1900 - 80 * index, 100 * index + 80, 1990), fill=colour)
        draw.text((100 * index + 20, 1860 - 80 * index), str(80 * index), "black")
    return Image.from_pil(picture)


def photograph(jpeg: bool = True) -> Image:
    """Smooth shades with a little noise, as a camera sees them; as PNG, about the worst there is to encode."""
    rng = np.random.default_rng(0)
    shades = PIL.Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
    smooth = np.asarray(shades.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC), dtype=np.int16)
    grain = rng.normal(0, 3, smooth.shape).astype(np.int16)
    return Image.from_pil(PIL.Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)), jpeg=jpeg)


def milliseconds(image: Image, side: float, repeats: int) -> tuple[float, float, int]:
    """Median and 90th percentile of a call in milliseconds, and the bytes of its picture.

    Args:
        image: what is zoomed into.
        side: the region's side as a fraction of the picture's.
        repeats: calls that are timed; each asks for a slightly different region, so nothing is the same twice.
    """
    tool, times, size = Zoom(), [], 0
    image.pil()
    for index in range(repeats):
        start = (1 - side) * index / max(1, repeats)
        call = ToolCall("zoom", {"bbox_2d": [start, start, start + side, start + side]}, (image,))
        started = time.perf_counter()
        (result,) = tool.run([call])
        times.append(1000 * (time.perf_counter() - started))
        size = len(result.images[0].data)
    return float(np.median(times)), float(np.percentile(times, 90)), size


def main(repeats: Annotated[int, typer.Option(help="Timed calls for each row.")] = 50) -> None:
    """Prints one row per picture and region."""
    table = Table(title=f"zoom on {SIDE} x {SIDE} pixels, decoded before (target {TARGET_MS:g} ms)")
    for column in ("picture", "region", "median ms", "p90 ms", "kB"):
        table.add_column(column, justify="left" if column in ("picture", "region") else "right")
    pictures = {"chart (PNG)": chart(), "photograph (JPEG)": photograph(), "photograph (PNG)": photograph(False)}
    for name, image in pictures.items():
        for shown, side in REGIONS.items():
            median, high, size = milliseconds(image, side, repeats)
            table.add_row(name, shown, f"{median:.1f}", f"{high:.1f}", f"{size / 1000:.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
