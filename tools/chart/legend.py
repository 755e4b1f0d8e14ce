"""`LegendEntry`: a small coloured marker and the series name to its right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tools.chart.frame import Box, Frame, Label
from tools.chart.mark import Colour, Mark, is_grey
from tools.chart.number import FOREIGN

FURNITURE = re.compile(
    r"statista|additional information|show source|collapse statistic|expand statistic|zoomable|select the range"
    r"|^source\b|^note[s:]?\b",
    re.IGNORECASE,
)
"""Page furniture around a chart: footers, buttons, credits."""
_SEAM = re.compile(r"\s*[-–—•●]+\s*|(?<=[a-z)])(?=[A-Z\d])|(?<=[\d%])(?=[A-Za-z])|\s+")
"""Where two names may have been run together."""
MAX_SEAM_ERROR = 5.0
"""Characters between a marker and the seam at it."""
MAX_HEIGHT = 4.0
"""One or two letters so many times as tall as the usual line are a misread line or curve."""
FAINT = 215
"""Paler marks are gridlines and stripes."""


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
    usual = float(np.median([label.word.line_height for label in labels])) if labels else 0.0
    kept = [label for label in labels if not FURNITURE.search(label.text)]
    kept = [label for label in kept if len(label.text) > 2 or label.word.line_height <= MAX_HEIGHT * usual]
    if any("statista" in label.text.lower() for label in footers):
        kept = [label for label in kept if label.box[0] < 0.925 * width]
    return kept


def find_legend(frame: Frame, labels: Sequence[Label], marks: Iterable[Mark]) -> list[LegendEntry]:
    """Legend entries in reading order. `frame` must be upright."""
    small = [mark for mark in marks if mark.width >= 5 and mark.fill >= 0.2 and mark.area >= 12]
    small = [mark for mark in small if min(mark.colour) <= FAINT]
    found: list[tuple[Label, Mark]] = []
    for label in labels:
        if abs(label.word.angle) > 10 or not any(c.isalnum() for c in label.text) or FOREIGN.search(label.text):
            continue
        others = [other.box for other in labels if other is not label]
        marker = _marker_of(label, [mark for mark in small if not _is_ink(mark) or not _inside(mark, others)])
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
        entries += _entries(lines, marker, small)
    if len(entries) == 1 and len(entries[0].name) < 2:
        return []
    return sorted(entries, key=lambda entry: (round(entry.labels[0].y / 8), entry.marker.x1))


def _inside(mark: Mark, boxes: Sequence[Box]) -> bool:
    return any(box[0] <= mark.x <= box[2] and box[1] <= mark.y <= box[3] for box in boxes)


def _is_ink(mark: Mark) -> bool:
    """Whether a mark may be a piece of a glyph, by its colour."""
    return is_grey(mark.colour) and max(mark.colour) < 110


def _marker_of(label: Label, marks: Sequence[Mark]) -> Mark | None:
    """The largest mark left of a word, or at its left end when the OCR took the marker for a part of the word."""
    x1, y1, _, y2 = label.box
    height = y2 - y1
    near = []
    for mark in marks:
        if mark.height > 1.35 * height or mark.width > 4.5 * height or abs(mark.y - label.y) > 0.35 * height:
            continue
        inside = 0.3 if _is_ink(mark) else 0.7
        limit = x1 + (0.2 if _is_ink(mark) else 2.2) * height
        if x1 - 1.3 * height <= mark.x2 <= limit and mark.x1 < x1 + inside * height:
            near.append(mark)
    return max(near, key=lambda mark: mark.area, default=None)


def _entries(lines: Sequence[Label], marker: Mark, marks: Sequence[Mark]) -> list[LegendEntry]:
    """The entry of one word; several when the OCR read neighbouring entries as one (`FemaleMale`)."""
    _, y1, x2, y2 = lines[0].box
    further = [m for m in marks if marker.x2 < m.x1 < x2 and y1 < m.y < y2 and m.colour != marker.colour]
    further = [m for m in further if not _is_ink(m) and abs(m.area - marker.area) <= 0.5 * marker.area]
    markers = [marker, *sorted(further, key=lambda mark: mark.x1)]
    if len(lines) == 1 and len(markers) > 1:
        x1, _, x2, _ = lines[0].box
        parts = split_at(lines[0].text, [(m.x1 - x1) / (x2 - x1) for m in markers[1:]])
        if all(parts):
            return [LegendEntry(part, m.colour, (lines[0],), m) for part, m in zip(parts, markers, strict=True)]
    return [LegendEntry(_name(lines, marker), marker.colour, tuple(lines), marker)]


def split_at(text: str, places: Sequence[float]) -> list[str]:
    """A text taken apart near some places (shares of its length), at the seams between names where there are any."""
    seams = [match.start() for match in _SEAM.finditer(text)]
    cuts = [0]
    for place in places:
        expected = place * len(text)
        near = [seam for seam in seams if cuts[-1] < seam and abs(seam - expected) <= MAX_SEAM_ERROR]
        cuts.append(min(near, key=lambda seam: abs(seam - expected), default=round(expected)))
    return [text[start:end].strip(" -–—•●") for start, end in pairwise([*cuts, len(text)])]


def _name(lines: Sequence[Label], marker: Mark) -> str:
    """The series name; a short first token where the marker is was read from the marker."""
    text = " ".join(line.text for line in lines).lstrip("•·●■- ")
    head, _, rest = text.partition(" ")
    inside = marker.x2 - lines[0].box[0] > 0.35 * lines[0].word.line_height
    if not inside:
        return text
    return rest if rest and len(head) <= 2 else re.sub(r"^[IlTi|+]{1,2}(?=[A-Z][a-z])", "", text)


def _is_row(items: list[tuple[Label, Mark]]) -> bool:
    """Whether numbers on one line stand beside marks of one size and different colours."""
    marks = [mark for _, mark in items]
    if len(marks) < 2 or len({mark.colour for mark in marks}) < len(marks):
        return False
    sizes = ([mark.width for mark in marks], [mark.height for mark in marks])
    return all(max(size) - min(size) <= 2 for size in sizes)


def _plausible(found: list[tuple[Label, Mark]]) -> list[tuple[Label, Mark]]:
    """Numbers beside a mark are a legend (`2014`, `2015`) only if all marks are alike and colours differ."""
    numbers = [item for item in found if item[0].number is not None]
    if not numbers:
        return found
    if any(_is_row(row := [other for other in numbers if abs(other[0].y - item[0].y) <= 4]) for item in numbers):
        return [item for item in found if item[0].number is None or item in row]
    others = [item for item in found if item[0].number is None]
    colours = {mark.colour for _, mark in found}
    alike = max(m.width for _, m in found) - min(m.width for _, m in found) <= 3
    rows, columns = [label.y for label, _ in numbers], [mark.x1 for _, mark in numbers]
    level = max(rows) - min(rows) <= 6 or max(columns) - min(columns) <= 4
    return found if len(colours) == len(found) >= 2 and alike and level else others
