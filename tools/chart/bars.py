"""`BarSet`: the bars of a chart, standing up, grouped by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tools.chart.frame import Frame, Label
from tools.chart.mark import Colour, Mark, colour_distance, marks_of
from tools.chart.stacks import scan_stacks

MIN_FILL = 0.72
"""A bar covers at least this part of its box."""
MIN_THICKNESS = 3.0
GRID_STEP = 1.2
"""Distances between bars of one series that are at most so many times the shortest one are one step."""
MIN_SCANNED = 0.85
"""A scan along the edges is believed when it confirms this part of the bars."""


@dataclass(frozen=True)
class BarSet:
    """Attributes:
    frame: the frame in which the bars stand up (turned for horizontal bars).
    bars: from left to right.
    baseline: row of the bars' common end.
    stacked: whether bars of different colours stand on each other.
    thickness: common width in pixels.
    """

    frame: Frame
    bars: tuple[Mark, ...]
    baseline: float
    stacked: bool
    thickness: float

    @property
    def colours(self) -> list[Colour]:
        """Bar colours, in order of first appearance from left to right, bottom to top."""
        return list(dict.fromkeys(bar.colour for bar in sorted(self.bars, key=lambda bar: (bar.x1, -bar.y2))))


def paint_over(frame: Frame, labels: Sequence[Label]) -> np.ndarray:
    """A copy of the pixels where numbers printed on top of bars are replaced by the bar's colour.

    Rows (or columns) of a number's box are filled when the pixels just outside both ends have the same colour and the
    box shows some of it.
    """
    pixels = frame.pixels.copy()
    for label in labels:
        if label.number is None:
            continue
        x1, y1, x2, y2 = (round(v) for v in label.box)
        x1, y1, x2, y2 = max(x1 - 2, 1), max(y1 - 1, 1), min(x2 + 2, frame.width - 2), min(y2 + 1, frame.height - 2)
        if x2 - x1 < 3 or y2 - y1 < 3:
            continue
        _fill_rows(pixels[y1:y2, x1:x2], frame.pixels[y1:y2, x1 - 1], frame.pixels[y1:y2, x2])
        turned = pixels.transpose(1, 0, 2)
        _fill_rows(turned[x1:x2, y1:y2], frame.pixels[y1 - 1, x1:x2], frame.pixels[y2, x1:x2])
    return pixels


def _fill_rows(box: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    same = (np.abs(left.astype(int) - right.astype(int)).max(axis=1) <= 6) & (left.min(axis=1) < 232)
    for row in np.flatnonzero(same):
        shown = np.abs(box[row].astype(int) - left[row].astype(int)).max(axis=1) <= 10
        if shown.mean() >= 0.15:
            box[row] = left[row]


def find_bars(frame: Frame, marks: Sequence[Mark], labels: Sequence[Label], legend: Sequence[Mark]) -> BarSet | None:
    """The bars of a chart, None when it has none.

    Args:
        frame: an upright frame.
        marks: its marks.
        labels: its words; numbers on bars are painted over.
        legend: markers of the legend.
    """
    colours = list(dict.fromkeys(m.colour for m in marks if min(m.width, m.height) >= MIN_THICKNESS and m.area >= 30))
    pixels = paint_over(frame, labels)
    marks = [mark for colour in colours for mark in marks_of(pixels, colour) if mark not in legend]
    solid = [m for m in marks if m.fill >= MIN_FILL and min(m.width, m.height) >= MIN_THICKNESS and m.area >= 30]
    solid = [m for m in solid if not _is_text(m, labels)]
    if not solid:
        return None
    upright, thickness_v = _common_size([m.width for m in solid], solid)
    lying, thickness_h = _common_size([m.height for m in solid], solid)
    if abs(upright - lying) < 0.08:
        horizontal = _alignment(solid, thickness_h, sideways=True) > _alignment(solid, thickness_v, sideways=False)
    else:
        horizontal = lying > upright
    size = thickness_h if horizontal else thickness_v
    area = sum(m.area for m in solid)
    if area < 0.002 * frame.width * frame.height:
        return None
    if horizontal:
        frame = frame.turn()
        marks = [Mark(m.y1, frame.height - m.x2, m.y2, frame.height - m.x1, m.area, m.colour) for m in marks]
    return _bar_set(frame, marks, size, [mark.colour for mark in legend])


def _bar_set(frame: Frame, marks: Sequence[Mark], size: float, legend: Sequence[Colour]) -> BarSet | None:
    tolerance = max(2.0, 0.06 * size)
    thick = [m for m in marks if abs(m.width - size) <= tolerance and m.fill >= MIN_FILL]
    tall = [m for m in thick if m.height >= 3]
    if not tall:
        return None
    colours = {m.colour for m in tall}
    bottom, top = max(m.y2 for m in tall), min(m.y1 for m in tall)
    bars = [m for m in thick if m.colour in colours and m.height >= 1 and top - 3 <= m.y1 and m.y2 <= bottom + 3]
    stacked = _is_stacked(bars)
    ends = Counter(round(m.y2) for m in bars) + Counter(round(m.y1) for m in bars)
    baseline = bottom if stacked else max(ends, key=lambda end: (sum(ends[end + d] for d in (-1, 0, 1)), ends[end]))
    if stacked:
        palette = list(dict.fromkeys([*(m.colour for m in bars), *legend]))
        parts = scan_stacks(frame.pixels, palette, baseline, size, tolerance)
        if sum(any(_covers(part, bar) for part in parts) for bar in bars) >= MIN_SCANNED * len(bars):
            bars = parts
    bars = sorted(bars, key=lambda m: m.x)
    return BarSet(frame, tuple(bars), float(baseline), stacked, size)


def _covers(part: Mark, bar: Mark) -> bool:
    """Whether most of a bar lies in a part of its colour."""
    shared = min(part.y2, bar.y2) - max(part.y1, bar.y1)
    return part.colour == bar.colour and abs(part.x - bar.x) <= 2 and shared >= 0.7 * bar.height


def _common_size(sizes: Sequence[float], marks: Sequence[Mark]) -> tuple[float, float]:
    """The area share of the marks that have the most common size, and that size."""
    total = sum(m.area for m in marks)
    best = (0.0, 0.0)
    for size in sorted(set(sizes)):
        near = [(m, s) for m, s in zip(marks, sizes, strict=True) if abs(s - size) <= max(1.5, 0.04 * size)]
        share = sum(m.area for m, _ in near) / total
        if share > best[0]:
            best = (share, float(np.median([s for _, s in near])))
    return best


def _alignment(marks: Sequence[Mark], size: float, sideways: bool) -> float:
    """Share of the bars that start on the same line."""
    sizes = [(m.height if sideways else m.width) for m in marks]
    bars = [m for m, s in zip(marks, sizes, strict=True) if abs(s - size) <= max(2.0, 0.06 * size)]
    starts = Counter(round((m.x1 if sideways else m.y2) / 2) for m in bars)
    if len(bars) < 2:
        only = bars[0] if bars else marks[0]
        return float(only.width > only.height) if sideways else float(only.height >= only.width)
    return max(starts.values()) / len(bars)


def _is_stacked(bars: Sequence[Mark]) -> bool:
    stacks = 0
    for one in bars:
        for other in bars:
            if one.colour != other.colour and abs(one.x - other.x) <= 2 and abs(one.y1 - other.y2) <= 3:
                stacks += 1
    return stacks >= 1


def _is_text(mark: Mark, labels: Sequence[Label]) -> bool:
    """Whether a mark is a piece of a glyph."""
    for label in labels:
        x1, y1, x2, y2 = label.box
        if x1 - 1 <= mark.x1 and mark.x2 <= x2 + 1 and y1 - 1 <= mark.y1 and mark.y2 <= y2 + 1:
            return mark.area < 0.5 * (x2 - x1) * (y2 - y1)
    return False


def series_colours(bars: BarSet, legend: Sequence[Colour]) -> dict[Colour, Colour]:
    """Maps each bar colour to the legend's nearest (within 30), or to itself."""
    mapped = {}
    for colour in bars.colours:
        near = min(legend, key=lambda other: colour_distance(colour, other), default=colour)
        mapped[colour] = near if colour_distance(colour, near) <= 30 else colour
    return mapped


def group_bars(bars: BarSet, colour_of: dict[Colour, Colour]) -> list[dict[Colour, Mark]]:
    """Bars by category: from left to right, one mapping of series colour to bar each."""
    if bars.stacked:
        return _stacks(bars, colour_of)
    groups: list[dict[Colour, Mark]] = []
    steps = [b.x - a.x for a, b in zip(bars.bars, bars.bars[1:], strict=False) if b.x - a.x > 1]
    near = 1.45 * min(steps, default=bars.thickness)
    if len(set(colour_of.values())) == 1 or not _grouped(bars, colour_of):
        return [{colour_of[bar.colour]: bar} for bar in bars.bars]
    on_grid = _grid_groups(bars.bars, colour_of)
    if on_grid is not None:
        return on_grid
    previous: Mark | None = None
    for bar in bars.bars:
        colour = colour_of[bar.colour]
        if previous is None or bar.x - previous.x > near or colour in groups[-1]:
            groups.append({})
        groups[-1][colour] = bar
        previous = bar
    return groups


def _grid_groups(bars: Sequence[Mark], colour_of: dict[Colour, Colour]) -> list[dict[Colour, Mark]] | None:
    """Groups at one distance from each other, cut at the widest gap, so that a missing bar moves no other one.

    None where the bars stand on no such grid.
    """
    places: dict[Colour, list[float]] = {}
    for bar in bars:
        places.setdefault(colour_of[bar.colour], []).append(bar.x)
    steps = [b - a for xs in places.values() for a, b in pairwise(xs)]
    if len(places) < 2 or len(steps) < 3 or min(steps) < 2:
        return None
    near = [step for step in steps if step <= GRID_STEP * min(steps)]
    longest = np.array(max(places.values(), key=len))
    counts = np.concatenate([[0], np.cumsum(np.round(np.diff(longest) / np.median(near)))])
    pitch = float(np.polyfit(counts, longest, 1)[0])
    phases = sorted(bar.x % pitch for bar in bars)
    gaps = [b - a for a, b in zip(phases, [*phases[1:], phases[0] + pitch], strict=True)]
    widest = int(np.argmax(gaps))
    cut = phases[widest] + gaps[widest] / 2
    groups: dict[int, dict[Colour, Mark]] = {}
    for bar in bars:
        group = groups.setdefault(int((bar.x - cut) // pitch), {})
        if colour_of[bar.colour] in group:
            return None
        group[colour_of[bar.colour]] = bar
    return [groups[index] for index in sorted(groups)]


def _grouped(bars: BarSet, colour_of: dict[Colour, Colour]) -> bool:
    """Whether different colours mean different series: at least two of them appear repeatedly or side by side."""
    counts = Counter(colour_of[bar.colour] for bar in bars.bars)
    repeated = sum(count >= 2 for count in counts.values())
    if repeated >= 2:
        return True
    pairs = zip(bars.bars, bars.bars[1:], strict=False)
    return any(a.colour != b.colour and b.x1 - a.x2 <= 0.12 * bars.thickness for a, b in pairs)


def _stacks(bars: BarSet, colour_of: dict[Colour, Colour]) -> list[dict[Colour, Mark]]:
    stacks: list[dict[Colour, Mark]] = []
    centre = -1e9
    for bar in bars.bars:
        if bar.x - centre > 0.5 * bars.thickness:
            stacks.append({})
            centre = bar.x
        colour = colour_of[bar.colour]
        held = stacks[-1].get(colour)
        if held is not None:
            y1, y2 = min(held.y1, bar.y1), max(held.y2, bar.y2)
            bar = Mark(held.x1, y1, held.x2, y2, held.area + bar.area, held.colour)
        stacks[-1][colour] = bar
    return stacks
