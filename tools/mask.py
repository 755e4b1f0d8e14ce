"""`Mask`: the pixels of one object, as run lengths, as a polygon, and as what is written about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from tools.errors import ToolInputError

MAX_CORNERS = 16
"""Corners of the simplified polygon at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """An object.

    Attributes:
        pixels: bool [height, width] of the image.
        score: how sure its backend is, 0 to 1; None where the backend has no such number.
        label: the phrase it was found by; empty where it was pointed at.
    """

    pixels: np.ndarray
    score: float | None = None
    label: str = ""

    @property
    def area(self) -> int:
        """In pixels."""
        return int(self.pixels.sum())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, right, bottom in pixels, right and bottom not part of it; zeros where the mask is empty."""
        rows, columns = np.flatnonzero(self.pixels.any(axis=1)), np.flatnonzero(self.pixels.any(axis=0))
        if not rows.size:
            return 0, 0, 0, 0
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def polygon(self) -> list[tuple[int, int]]:
        """Corners (x, y) around its largest part, simplified to `MAX_CORNERS`; empty where the mask is."""
        outlines, _ = cv2.findContours(self.pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if not outlines:
            return []
        outline = max(outlines, key=cv2.contourArea)
        tolerance = 0.002 * cv2.arcLength(outline, True)
        while len(outline) > MAX_CORNERS:
            outline = cv2.approxPolyDP(outline, tolerance, True)
            tolerance *= 1.5
        return [(int(x), int(y)) for x, y in outline.reshape(-1, 2)]

    def data(self) -> dict[str, Any]:
        """JSON-compatible: area, coverage, box, polygon, run lengths, score, label."""
        return {
            "area": self.area,
            "coverage": round(self.area / self.pixels.size, 6),
            "box": list(self.box),
            "polygon": [list(corner) for corner in self.polygon()],
            "rle": run_lengths(self.pixels),
            "score": None if self.score is None else round(self.score, 4),
            "label": self.label,
        }


def run_lengths(pixels: np.ndarray) -> dict[str, Any]:
    """COCO's uncompressed run-length encoding: column by column, the first count is of pixels outside.

    Args:
        pixels: bool [height, width].
    """
    flat = pixels.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate(([0], edges, [flat.size]))).tolist()
    return {"size": list(pixels.shape), "counts": [0, *counts] if flat.size and flat[0] else counts}


def from_run_lengths(counts: Sequence[int], shape: tuple[int, int]) -> np.ndarray:
    """The pixels (bool `shape`, height and width) that `run_lengths` encoded.

    Raises:
        ToolInputError: the counts do not add up to the pixels of `shape`.
    """
    if sum(counts) != shape[0] * shape[1]:
        raise ToolInputError(f"the mask's counts add up to {sum(counts)}, not to {shape[0]} x {shape[1]} pixels")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(shape, order="F")


def from_polygon(points: Sequence[tuple[float, float]], size: tuple[int, int]) -> np.ndarray:
    """The pixels (bool [height, width]) inside a polygon of corners in pixels; `size` is width and height.

    Raises:
        ToolInputError: fewer than three corners.
    """
    if len(points) < 3:
        raise ToolInputError(f"a mask's polygon needs at least 3 corners, not {len(points)}")
    pixels = np.zeros((size[1], size[0]), dtype=np.uint8)
    cv2.fillPoly(pixels, [np.rint(np.array(points)).astype(np.int32)], 1)
    return pixels.astype(bool)
