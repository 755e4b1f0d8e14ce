"""Columns of the points of a line chart, from the round markers drawn on its lines.

Tick labels, above all rotated ones, tell only roughly where a category stands; markers tell it to the pixel, and they
show the categories between the labels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from tools.chart.categories import YEAR, CategoryAxis
from tools.chart.lines import Line

THICKER = 1.5
"""Markers are at least this many times as thick as the line."""
NEAR = 2.5
"""Pixels between markers of one category."""
LABEL_ERROR = 0.2
"""How far a label may stand from its marker, in distances between markers."""
MIN_MATCHED = 0.6
"""Part of the categories that must have markers."""


def marker_columns(lines: Sequence[Line]) -> list[float]:
    """Columns of the markers of all lines, from left to right; empty when the lines have none."""
    columns = sorted(column for line in lines for column in _thick_columns(line))
    groups: list[list[float]] = []
    for column in columns:
        if groups and column - groups[-1][-1] <= NEAR:
            groups[-1].append(column)
        else:
            groups.append([column])
    return [float(np.median(group)) for group in groups]


def _thick_columns(line: Line) -> list[float]:
    depth = cv2.distanceTransform(line.mask.astype(np.uint8), cv2.DIST_L2, 3).max(axis=0)
    inked = depth[depth > 0]
    if not inked.size:
        return []
    half = float(np.median(inked))
    thick = np.flatnonzero(depth >= max(THICKER * half, half + 1))
    if thick.size > 0.5 * inked.size:
        return []
    runs = np.split(thick, np.flatnonzero(np.diff(thick) > 1) + 1) if thick.size else []
    return [float(run.mean()) + 0.5 for run in runs]


def on_markers(categories: CategoryAxis, markers: Sequence[float]) -> CategoryAxis:
    """The categories moved onto the markers by one common shift, with those between the labels where labels are years.

    Unchanged when too few of them meet a marker.
    """
    centres = np.array(categories.centres)
    if len(markers) < 3 or len(centres) < 3:
        return categories
    places = np.array(markers)
    gaps = places[None, :] - centres[:, None]
    limit = 0.5 * float(np.median(np.diff(centres)))
    near = max(NEAR, LABEL_ERROR * float(np.median(np.diff(places))))
    shifts = [float(shift) for shift in gaps[np.abs(gaps) <= limit]]
    matched = [(int((np.abs(gaps - shift).min(axis=1) <= near).sum()), -abs(shift), shift) for shift in shifts]
    if not matched or max(matched)[0] < MIN_MATCHED * len(centres):
        return categories
    moved = centres + max(matched)[2]
    nearest = places[np.abs(places[None, :] - moved[:, None]).argmin(axis=1)]
    moved = np.where(np.abs(nearest - moved) <= near, nearest, moved)
    return _with_years_between(CategoryAxis(categories.names, tuple(moved.tolist()), categories.title), places)


def _with_years_between(categories: CategoryAxis, markers: np.ndarray) -> CategoryAxis:
    """Nameless categories between labelled years where markers stand at most of their places."""
    years = [int(name.rstrip("*")) if re.fullmatch(rf"{YEAR.pattern}\*?", name) else None for name in categories.names]
    known = [year for year in years if year is not None]
    steps = {later - earlier for earlier, later in pairwise(known)}
    if len(known) < len(years) or len(steps) != 1 or not 2 <= (step := steps.pop()) <= 10:
        return categories
    ends = list(pairwise(categories.centres))
    between = np.array([left + (right - left) * k / step for left, right in ends for k in range(1, step)])
    hit = np.abs(markers[None, :] - between[:, None]).min(axis=1) <= NEAR + 1
    if hit.mean() < MIN_MATCHED:
        return categories
    names, centres = [categories.names[0]], [categories.centres[0]]
    for (left, right), name in zip(ends, categories.names[1:], strict=True):
        names += [*[""] * (step - 1), name]
        centres += [*(left + (right - left) * k / step for k in range(1, step)), right]
    return CategoryAxis(tuple(names), tuple(centres), categories.title)
