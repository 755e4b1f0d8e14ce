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
    if len(numbers) < 3:
        return None
    edges = np.array([(label.box[0], label.x, label.box[2]) for label in numbers])
    rows = np.array([label.y for label in numbers])
    values = np.array([label.number.value for label in numbers if label.number])
    best: tuple[int, float] = (2, 0.0)
    ticks: np.ndarray | None = None
    for one, other in combinations(range(len(numbers)), 2):
        gaps = np.abs(edges[one] - edges[other])
        rise, run = values[other] - values[one], rows[other] - rows[one]
        if gaps.min() > ALIGNED or abs(run) < 8 or rise * run >= 0:
            continue
        edge = int(gaps.argmin())
        expected = rows[one] + (values - values[one]) * run / rise
        inliers = (np.abs(edges[:, edge] - edges[one, edge]) <= ALIGNED) & (np.abs(rows - expected) <= MAX_RESIDUAL)
        score = (int(inliers.sum()), abs(float(edges[inliers, 1].mean()) - frame.width / 2))
        if score > best and score[0] >= 3:
            best, ticks = score, np.flatnonzero(inliers)
    if ticks is None:
        return None
    slope, offset = np.polyfit(rows[ticks], values[ticks], 1)
    return ValueAxis(float(slope), float(offset), tuple(numbers[int(index)] for index in ticks))


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
