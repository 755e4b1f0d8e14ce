"""`Line`: one series of a line chart, as the row of its stroke at every column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tools.chart.frame import Frame, Label
from tools.chart.mark import Colour, Mark, is_grey, is_tint

STROKE_TOLERANCE = 70
"""Largest channel difference of anti-aliased stroke pixels from the stroke's colour."""
MIN_COVERAGE = 0.55
"""A line is visible at this part of the plot's columns."""


@dataclass(frozen=True)
class Line:
    """Attributes:
    colour: stroke colour.
    mask: bool [height, width]: where the stroke is.
    """

    colour: Colour
    mask: np.ndarray

    def row_at(self, x: float, reach: int = 7) -> float | None:
        """Row of the stroke's middle at a column; from the columns on both sides where it is hidden."""
        row = self._middle(round(x))
        if row is not None:
            return row
        before = next((p for d in range(1, reach) if (p := self._middle(round(x) - d)) is not None), None)
        after = next((p for d in range(1, reach) if (p := self._middle(round(x) + d)) is not None), None)
        if before is not None and after is not None:
            return (before + after) / 2
        return before if before is not None else after

    def _middle(self, column: int) -> float | None:
        if not 0 <= column < self.mask.shape[1]:
            return None
        rows = np.flatnonzero(self.mask[:, max(0, column - 1) : column + 2].any(axis=1))
        if not rows.size:
            return None
        runs = np.split(rows, np.flatnonzero(np.diff(rows) > 2) + 1)
        return float(max(runs, key=len).mean()) + 0.5


def find_lines(
    frame: Frame,
    colours: Sequence[Colour],
    labels: Sequence[Label],
    plot: tuple[float, float, float, float],
    legend: Sequence[Mark],
) -> list[Line]:
    """The lines of a chart, in the legend's order when there is one, else the most visible first.

    Args:
        frame: upright frame.
        colours: the chart's colours.
        labels: every word; the pixels of words are not strokes.
        plot: (x1, y1, x2, y2) of the plot area.
        legend: the legend's markers: their colours are the series, their pixels are not strokes.
    """
    x1, y1, x2, y2 = (round(v) for v in plot)
    x1, y1 = max(x1, 0), max(y1, 0)
    area = frame.pixels[y1:y2, x1:x2]
    if area.size == 0:
        return []
    palette = [mark.colour for mark in legend] or _without_tints(colours)
    everything = np.array([*colours, (255, 255, 255), *palette], dtype=np.int16)
    inked = area.min(axis=2) < 246
    distance = np.abs(area[inked][:, None, :].astype(np.int16) - everything[None]).max(axis=2)
    nearest, gap = np.full(area.shape[:2], -1), np.full(area.shape[:2], 255)
    nearest[inked], gap[inked] = distance.argmin(axis=1), distance.min(axis=1)
    hidden = _text_mask(frame, labels)
    for mark in legend:
        hidden[max(0, int(mark.y1) - 3) : int(mark.y2) + 3, max(0, int(mark.x1) - 3) : int(mark.x2) + 3] = True
    text = hidden[y1:y2, x1:x2]
    lines = []
    for colour in palette:
        same = np.flatnonzero(np.abs(everything - np.array(colour, dtype=np.int16)).max(axis=1) <= 30)
        if not legend:
            tints = [i for i, other in enumerate(colours) if is_tint(other, colour) and not is_grey(other)]
            same = np.union1d(same, tints)
        mask = np.isin(nearest, same) & (gap <= STROKE_TOLERANCE)
        clear = mask & ~text
        coverage = clear.any(axis=0).mean()
        if coverage < (0.3 if legend else MIN_COVERAGE) or (not legend and (_is_ruled(clear) or _is_faint(colour))):
            continue
        full = np.zeros(frame.pixels.shape[:2], dtype=bool)
        full[y1:y2, x1:x2] = clear
        lines.append((coverage, Line(colour, full)))
    if legend:
        return [line for _, line in lines]
    coloured = [item for item in lines if not is_grey(item[1].colour)]
    lines = coloured or lines
    distinct: list[Line] = []
    for _, line in sorted(lines, key=lambda item: (-item[0], -item[1].mask.sum())):
        if not any(_hugs(line, other) for other in distinct):
            distinct.append(line)
    return distinct


def _hugs(line: Line, other: Line) -> bool:
    """Whether a "line" is only the blurred edge of another one."""
    edge = cv2.dilate(other.mask.astype(np.uint8), np.ones((7, 5), np.uint8)).astype(bool)
    return bool(edge[line.mask].mean() > 0.8)


def _without_tints(colours: Sequence[Colour]) -> list[Colour]:
    """Colours that are not paler versions of a more frequent colour."""
    kept: list[Colour] = []
    for colour in sorted(colours, key=sum):
        if is_grey(colour) or not any(is_tint(colour, other) for other in kept if not is_grey(other)):
            kept.append(colour)
    return kept


def _is_ruled(mask: np.ndarray) -> bool:
    """Grid and axis lines: nearly all pixels lie in full rows or full columns."""
    rows, columns = mask.mean(axis=1) > 0.7, mask.mean(axis=0) > 0.7
    ruled = mask[rows].sum() + mask[:, columns].sum()
    return bool(ruled > 0.5 * max(1, mask.sum()))


def _is_faint(colour: Colour) -> bool:
    return is_grey(colour) and min(colour) > 170


def _text_mask(frame: Frame, labels: Sequence[Label]) -> np.ndarray:
    mask = np.zeros(frame.pixels.shape[:2], dtype=bool)
    for label in labels:
        x1, y1, x2, y2 = (max(0, round(v)) for v in label.box)
        shown = frame.pixels[y1:y2, x1:x2].astype(int)
        if shown.size:
            mask[y1:y2, x1:x2] |= shown.max(axis=2) - shown.min(axis=2) < 30
    return mask
