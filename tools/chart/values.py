"""Printed values: which number on a chart belongs to which bar or point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from tools.chart.axes import ValueAxis
from tools.chart.frame import Label
from tools.chart.number import Number

UNASSIGNED = 40.0
"""Cost in pixels of leaving a mark without a printed value."""
MAX_DISAGREEMENT = 0.06
"""A printed value may differ by this part of the axis range from what the geometry says."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is looked for.

    Attributes:
        x: column of the mark.
        top, bottom: rows of the mark's ends (equal for a point of a line).
        thickness: width of the mark.
        estimate: what the geometry says, if there is an axis.
        inside: only numbers on the mark itself count (stacked bars).
    """

    x: float
    top: float
    bottom: float
    thickness: float
    estimate: float | None = None
    inside: bool = False


def assign_values(places: Sequence[Place], labels: Sequence[Label], tolerance: float | None) -> list[Number | None]:
    """The printed value of each place, None where there is none.

    One optimal assignment over all places: distance plus disagreement with the geometry.

    Args:
        places: marks.
        labels: candidate numbers.
        tolerance: largest accepted difference from `Place.estimate`, in values; None when nothing is calibrated.
    """
    numbers = [label for label in labels if label.number is not None]
    if not places or not numbers:
        return [None] * len(places)
    cost = np.full((len(places), len(numbers) + len(places)), 1e6)
    for i, place in enumerate(places):
        cost[i, len(numbers) + i] = UNASSIGNED
        for j, label in enumerate(numbers):
            assert label.number is not None
            price = _distance(place, label)
            if price < UNASSIGNED and tolerance is not None and place.estimate is not None:
                off = min(abs(value - place.estimate) for value in _readings(label.number.value)) / tolerance
                price += 1e6 if off > 1 else 12 * off
            cost[i, j] = price
    rows, columns = linear_sum_assignment(cost)
    found: list[Number | None] = [None] * len(places)
    for i, j in zip(rows, columns, strict=True):
        if j < len(numbers):
            found[i] = numbers[j].number
    return found


def _readings(value: float) -> tuple[float, ...]:
    return (value, -value)


def _distance(place: Place, label: Label) -> float:
    x1, y1, x2, y2 = label.box
    sideways = abs(label.x - place.x)
    if sideways > max(0.55 * place.thickness, 7.0, 0.3 * (x2 - x1)):
        return 1e6
    within = max(0.0, place.top - label.y, label.y - place.bottom)
    if place.inside:
        return sideways + 2.0 * within
    above = abs(place.top - y2)
    below = abs(y1 - place.bottom) + 3.0
    return sideways + min(above, below, within + 4.0)


def repaired(number: Number | None, estimate: float | None, tolerance: float) -> Number | None:
    """The printed number, with a lost sign or decimal point put back when only that makes it agree with the geometry.

    Returns None when it cannot be made to agree: then the geometry is trusted.
    """
    if number is None or estimate is None or abs(number.value - estimate) <= tolerance:
        return number
    if abs(-number.value - estimate) <= tolerance:
        text = number.text.removeprefix("-") if number.text.startswith("-") else f"-{number.text}"
        return Number(text, -number.value, number.unit)
    digits = number.text.replace(".", "").removeprefix("-")
    sign = "-" if number.text.startswith("-") else ""
    for split in range(1, len(digits)):
        text = f"{sign}{digits[:split]}.{digits[split:]}"
        if "." not in number.text and abs(float(text) - estimate) <= 0.5 * tolerance:
            return Number(text, float(text), number.unit)
    return None


def tolerance_of(axis: ValueAxis | None, row_error: float = 5.0) -> float | None:
    """Largest believable difference between a printed value and the geometry, None without an axis."""
    if axis is None:
        return None
    return max(MAX_DISAGREEMENT * axis.range, row_error * axis.resolution)
