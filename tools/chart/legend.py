"""`LegendEntry`: a small coloured marker and the series name to its right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.chart.frame import Frame, Label
from tools.chart.mark import Colour, Mark

FURNITURE = re.compile(
    r"statista|additional information|show source|collapse statistic|expand statistic|zoomable|select the range"
    r"|^source\b|^note[s:]?\b",
    re.IGNORECASE,
)
"""Page furniture around a chart: footers, buttons, credits."""


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """Attributes:
    name: series (or sector) name.
    colour: its colour.
    labels: the words the name was put together from.
    marker: the marker.
    """

    name: str
    colour: Colour
    labels: tuple[Label, ...]
    marker: Mark


def without_furniture(labels: Sequence[Label], width: int) -> list[Label]:
    """Labels that belong to the chart: no footers, no buttons, no icons of the page's tool bar on the right."""
    footers = [label for label in labels if FURNITURE.search(label.text)]
    kept = [label for label in labels if not FURNITURE.search(label.text)]
    if any("statista" in label.text.lower() for label in footers):
        kept = [label for label in kept if label.box[0] < 0.925 * width]
    return kept


def find_legend(frame: Frame, labels: Sequence[Label], marks: Iterable[Mark]) -> list[LegendEntry]:
    """Legend entries in reading order. `frame` must be upright."""
    small = [mark for mark in marks if mark.width >= 3 and mark.fill >= 0.4]
    found: list[tuple[Label, Mark]] = []
    for label in labels:
        if abs(label.word.angle) > 10 or not any(c.isalnum() for c in label.text):
            continue
        marker = _marker_of(label, small)
        if marker is not None:
            found.append((label, marker))
    found = _plausible(found)
    taken = {id(label) for label, _ in found}
    entries = []
    for label, marker in found:
        lines = [label]
        for other in sorted(labels, key=lambda item: item.y):
            gap = other.box[1] - lines[-1].box[3]
            height = label.word.line_height
            if id(other) not in taken and abs(other.box[0] - label.box[0]) <= 4 and -0.4 * height < gap < 0.5 * height:
                lines.append(other)
                taken.add(id(other))
        name = " ".join(line.text for line in lines)
        entries.append(LegendEntry(name, marker.colour, tuple(lines), marker))
    return sorted(entries, key=lambda entry: (round(entry.labels[0].y / 8), entry.labels[0].box[0]))


def _marker_of(label: Label, marks: Sequence[Mark]) -> Mark | None:
    x1, y1, _, y2 = label.box
    height = y2 - y1
    near = []
    for mark in marks:
        if mark.height > 1.35 * height or mark.width > 4.5 * height or abs(mark.y - label.y) > 0.4 * height:
            continue
        solid = mark.fill >= 0.7 and mark.width >= 0.45 * height and mark.height >= 0.4 * height
        limit = x1 + (1.1 * height if solid else 0.2 * height)
        if x1 - 1.3 * height <= mark.x2 <= limit and mark.x1 < x1 + 0.3 * height:
            near.append(mark)
    return max(near, key=lambda mark: mark.area, default=None)


def _plausible(found: list[tuple[Label, Mark]]) -> list[tuple[Label, Mark]]:
    """Numbers beside a mark are a legend (`2014`, `2015`) only if all marks are alike and colours differ."""
    numbers = [item for item in found if item[0].number is not None]
    if not numbers:
        return found
    others = [item for item in found if item[0].number is None]
    colours = {mark.colour for _, mark in found}
    alike = max(m.width for _, m in found) - min(m.width for _, m in found) <= 3
    level = len({round(label.y / 6) for label, _ in numbers}) == 1 or len({round(m.x1 / 4) for _, m in numbers}) == 1
    return found if len(colours) == len(found) >= 2 and alike and level else others
