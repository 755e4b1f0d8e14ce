"""The parts of stacked bars, read along their edges, where no printed value hides them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tools.chart.mark import SAME_COLOUR, Colour, Mark

MIN_ROWS = 2
"""Thinner parts are edges between others."""
MAX_GAP = 4
"""Rows between parts of a stack: separators, blurred edges."""
FOOT = 3
"""Rows above the baseline where the stacks are looked for."""


def scan_stacks(
    pixels: np.ndarray, palette: Sequence[Colour], baseline: float, size: float, tolerance: float
) -> list[Mark]:
    """Every part of every stack, from left to right and from the baseline upwards.

    Args:
        pixels: uint8 [height, width, 3], turned so that bars stand up.
        palette: colours of the parts.
        baseline: row on which the stacks stand.
        size: common width of the bars in pixels.
        tolerance: largest difference from it.
    """
    foot = round(baseline) - FOOT
    if not palette or not 0 <= foot < pixels.shape[0]:
        return []
    parts = []
    for start, end, _ in _runs(_nearest(pixels[foot][:, None], palette)[:, 0]):
        if abs(end - start - size) <= tolerance:
            parts += _scan(pixels, palette, start, end, round(baseline))
    return parts


def _scan(pixels: np.ndarray, palette: Sequence[Colour], x1: int, x2: int, bottom: int) -> list[Mark]:
    inset = max(1, min(3, (x2 - x1) // 5))
    columns = sorted({x1 + inset - 1, x1 + inset, x2 - inset - 1, x2 - inset})
    found = _nearest(pixels[: bottom + 1, columns], palette)
    agreed = np.array([np.bincount(row + 1, minlength=len(palette) + 1).argmax() - 1 for row in found])
    same = (found == agreed[:, None]).mean(axis=1) >= 0.75
    parts: list[Mark] = []
    top = bottom
    for start, end, index in reversed(_runs(np.where(same, agreed, -1))):
        if end - start < MIN_ROWS:
            continue
        if top - end > MAX_GAP:
            break
        parts.append(Mark(x1, start, x2, end, (x2 - x1) * (end - start), palette[index]))
        top = start
    return parts


def _nearest(pixels: np.ndarray, palette: Sequence[Colour]) -> np.ndarray:
    """int [rows, columns]: index of the palette's colour that a pixel has, -1 for none."""
    gaps = np.abs(pixels[:, :, None, :].astype(np.int16) - np.array(palette, dtype=np.int16)).max(axis=3)
    return np.where(gaps.min(axis=2) <= SAME_COLOUR, gaps.argmin(axis=2), -1)


def _runs(values: np.ndarray) -> list[tuple[int, int, int]]:
    """Start, end and value of each run of one value that is not -1."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    spans = pairwise(edges)
    return [(start, end, int(values[start])) for start, end in spans if start < end and values[start] >= 0]
