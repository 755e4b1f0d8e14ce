"""`ValueAxis`: from pixel rows to values, calibrated on the printed ticks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tools.chart.frame import Frame, Label

ALIGNED = 4.0
"""Ticks of one axis share an edge or their middle within this many pixels."""
MAX_RESIDUAL = 2.6
"""Distance in pixels between a tick's middle and the fitted line."""
MAX_CANDIDATES = 70


@dataclass(frozen=True)
class ValueAxis:
    """A linear scale: value = slope * y + offset.

    Attributes:
        slope: value per pixel row; negative, because values grow upwards.
        offset: value at row 0.
        ticks: the words it was fitted to; empty when it was fitted to printed values.
    """

    slope: float
    offset: float
    ticks: tuple[Label, ...] = ()

    def value(self, y: float) -> float:
        """Value at a row."""
        return self.slope * y + self.offset

    def row(self, value: float) -> float:
        """Row of a value."""
        return (value - self.offset) / self.slope

    @property
    def resolution(self) -> float:
        """Value of one pixel."""
        return abs(self.slope)

    @property
    def range(self) -> float:
        """Value between the lowest and the highest tick; 0 without ticks."""
        values = [label.number.value for label in self.ticks if label.number]
        return max(values) - min(values) if values else 0.0


def find_value_axis(frame: Frame, labels: Sequence[Label]) -> ValueAxis | None:
    """The largest aligned column of numbers that lie on one line, None when there is none.

    Ties go to the column farther from the middle of the chart: ticks stand outside, value labels inside.
    """
    numbers = [label for label in labels if label.number is not None][:MAX_CANDIDATES]
    best: tuple[float, float, ValueAxis] | None = None
    tried: set[frozenset[int]] = set()
    for one, other in combinations(range(len(numbers)), 2):
        edge = _shared_edge(numbers[one], numbers[other])
        if edge is None:
            continue
        column = [n for n in numbers if abs(_edges(n)[edge] - _edges(numbers[one])[edge]) <= ALIGNED]
        inliers = _on_line(column, numbers[one], numbers[other])
        key = frozenset(id(label) for label in inliers)
        if len(inliers) < 3 or key in tried:
            continue
        tried.add(key)
        axis = _fit(inliers)
        outside = abs(inliers[0].x - frame.width / 2)
        if best is None or (len(inliers), outside) > best[:2]:
            best = (len(inliers), outside, axis)
    return best[2] if best else None


def find_floor(frame: Frame, labels: Sequence[Label], axis: ValueAxis | None) -> float | None:
    """Row of the plot's lower edge: the lowest long ruled line with words below it, else the lowest tick.

    Gridlines and frames of the page are no floor: they have no words close below.
    """
    dark = frame.pixels.max(axis=2) < 215
    long_rows = np.flatnonzero(dark.mean(axis=1) > 0.45)
    lowest_tick = max((tick.y for tick in axis.ticks), default=0.0) if axis else 0.0
    for row in long_rows[::-1]:
        close = [label for label in labels if row < label.y and label.box[1] < row + 16]
        if close and row >= lowest_tick - 3:
            return float(row)
    return lowest_tick if axis else None


def axis_through(points: Sequence[tuple[float, float]], zero: float | None = None) -> ValueAxis | None:
    """A scale through (row, value) points, for charts without ticks.

    Args:
        points: rows and printed values.
        zero: row of the value 0 when known; then one point is enough.
    """
    if zero is not None:
        slopes = [value / (row - zero) for row, value in points if abs(row - zero) > 4 and value]
        slope = float(np.median(slopes)) if slopes else 0.0
        return ValueAxis(slope, -slope * zero) if slope < 0 else None
    if len(points) < 2 or np.ptp([row for row, _ in points]) < 8:
        return None
    rows, values = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    pairs = [(v2 - v1) / (y2 - y1) for (y1, v1), (y2, v2) in combinations(points, 2) if abs(y2 - y1) > 4]
    slope = float(np.median(pairs)) if pairs else 0.0
    return ValueAxis(slope, float(np.median(values - slope * rows))) if slope < 0 else None


def _edges(label: Label) -> tuple[float, float, float]:
    return label.box[0], label.x, label.box[2]


def _shared_edge(one: Label, other: Label) -> int | None:
    gaps = [abs(a - b) for a, b in zip(_edges(one), _edges(other), strict=True)]
    edge = int(np.argmin(gaps))
    return edge if gaps[edge] <= ALIGNED else None


def _on_line(column: list[Label], one: Label, other: Label) -> list[Label]:
    assert one.number and other.number
    if abs(one.y - other.y) < 8 or (other.number.value - one.number.value) * (other.y - one.y) >= 0:
        return []
    slope = (other.number.value - one.number.value) / (other.y - one.y)
    rows = [(label, one.y + (label.number.value - one.number.value) / slope) for label in column if label.number]
    return [label for label, row in rows if abs(label.y - row) <= MAX_RESIDUAL]


def _fit(ticks: list[Label]) -> ValueAxis:
    rows = np.array([label.y for label in ticks])
    values = np.array([label.number.value for label in ticks if label.number])
    slope, offset = np.polyfit(rows, values, 1)
    return ValueAxis(float(slope), float(offset), tuple(ticks))
