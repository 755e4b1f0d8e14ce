"""`CategoryAxis`: the labels under the marks and the axis title below them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tools.chart.frame import Frame, Label
from tools.chart.legend import split_at

ROTATED = 14.0
"""Degrees from which a tick label counts as rotated."""
_STARRED = re.compile(r"^((?:1[6-9]|20|21)\d\d)[°”“\"]$")
"""What OCR makes of a forecast year's asterisk."""
YEAR = re.compile(r"(1[6-9]|20|21)\d\d")


@dataclass(frozen=True)
class CategoryAxis:
    """Attributes:
    names: one per category, from left to right in the frame; empty where no label was found.
    centres: their columns.
    title: the axis title, if one was found.
    """

    names: tuple[str, ...]
    centres: tuple[float, ...]
    title: str | None


def find_categories(
    frame: Frame, labels: Sequence[Label], bottom: float, centres: Sequence[float] | None = None
) -> CategoryAxis:
    """Reads the labels below row `bottom`.

    Args:
        frame: the frame in which values grow upwards.
        labels: words that are not ticks, legend or furniture.
        bottom: row of the plot's lower edge.
        centres: columns of the categories when the marks tell them; otherwise the labels themselves do.
    """
    zone = [label for label in labels if label.y >= bottom + 3 and any(c.isalnum() for c in label.text)]
    zone, title = _without_title(frame, zone, centres)
    if not zone:
        return CategoryAxis(("",) * len(centres or ()), tuple(centres or ()), title)
    if centres is None:
        centres = _centres_of(zone)
    else:
        zone = _taken_apart(frame, zone, centres)
    anchor = _best_anchor(zone, centres)
    texts: list[list[Label]] = [[] for _ in centres]
    pitch = min(np.diff(sorted(centres)), default=float(frame.width))
    for label in zone:
        gaps = [abs(label.anchors[anchor] - centre) for centre in centres]
        nearest = int(np.argmin(gaps))
        if gaps[nearest] <= max(0.75 * pitch, 12.0):
            texts[nearest].append(label)
    names = [_join(lines) for lines in texts]
    return CategoryAxis(tuple(names), tuple(centres), title)


def _taken_apart(frame: Frame, zone: Sequence[Label], centres: Sequence[float]) -> list[Label]:
    """Labels of neighbouring categories that were read as one, cut between them."""
    parts: list[Label] = []
    for label in zone:
        x1, _, x2, _ = label.box
        own = [centre for centre in centres if x1 <= centre <= x2]
        level = [other for other in zone if other is not label and abs(other.y - label.y) <= label.word.line_height]
        others = any(other.box[0] <= centre <= other.box[2] for other in level for centre in own)
        if frame.turned or abs(label.word.angle) >= ROTATED or len(own) < 2 or others:
            parts.append(label)
            continue
        names = split_at(label.text, [((a + b) / 2 - x1) / (x2 - x1) for a, b in pairwise(own)])
        parts += frame.cut(label, names) if all(names) and len(label.text.split()) >= len(own) else [label]
    return parts


def fill_years(names: Sequence[str]) -> list[str]:
    """Years between labelled years, where every label is a year and steps are regular."""
    filled = _repaired_years(names)
    names = list(filled)
    known = [(i, int(name.rstrip("*"))) for i, name in enumerate(names) if re.fullmatch(YEAR.pattern + r"\*?", name)]
    if len(known) < 2 or len(known) != sum(bool(name) for name in names):
        return filled
    for (i, first), (j, last) in pairwise(known):
        if last - first == j - i:
            mark = "*" if names[i].endswith("*") else ""  # a forecast stays one until the next year that is none
            filled[i + 1 : j] = [f"{first + k}{mark}" for k in range(1, j - i)]
    (i, first), (j, last) = known[0], known[-1]
    if last - first == j - i:
        for k in range(len(filled)):
            filled[k] = filled[k] or str(first + k - i)
    return filled


def _repaired_years(names: Sequence[str]) -> list[str]:
    """Years whose beginning was cut off (`19` between `2018` and `2020`), where all others are years in one step."""
    known = [(i, int(name)) for i, name in enumerate(names) if YEAR.fullmatch(name)]
    steps = {(last - first) / (j - i) for (i, first), (j, last) in pairwise(known)}
    if len(steps) != 1 or len(known) < 2 * (sum(bool(name) for name in names) - len(known)):
        return list(names)
    (start, first), step = known[0], steps.pop()
    expected = [f"{first + step * (i - start):.0f}" for i in range(len(names))]
    return [
        year if len(name) in (2, 3) and year.endswith(name) else name
        for name, year in zip(names, expected, strict=True)
    ]


def _rows(zone: Sequence[Label]) -> list[list[Label]]:
    rows: list[list[Label]] = []
    for label in sorted(zone, key=lambda item: item.y):
        if rows and label.y - rows[-1][0].y <= 0.6 * label.word.line_height:
            rows[-1].append(label)
        else:
            rows.append([label])
    return rows


def _without_title(frame: Frame, zone: list[Label], centres: Sequence[float] | None) -> tuple[list[Label], str | None]:
    if frame.turned:
        upright = [label for label in zone if abs(label.word.angle - 90) < 20 and label.word.line_height > 0]
        lying = [label for label in zone if label not in upright]
        if lying:
            return lying, " ".join(label.text for label in upright) or None
        return zone, None
    zone = [label for label in zone if abs(label.word.angle) < 110]
    if not zone:
        return zone, None
    first = min(label.box[1] for label in zone)
    height = float(np.median([label.word.line_height for label in zone]))
    top = [label for label in zone if label.box[1] <= first + 0.8 * height]
    if np.median([abs(label.word.angle) for label in top]) >= ROTATED:
        reach = first + 3.2 * height
        near = [x for x in zone if x.box[1] <= reach and abs(x.word.angle) >= ROTATED] or top
        rest = [x for x in zone if x not in near and abs(x.word.angle) < ROTATED and x.box[1] > first + height]
        return near, _title(frame, rest, max(x.box[3] for x in near))
    kept: list[Label] = []
    rows = _rows([label for label in zone if abs(label.word.angle) < ROTATED])
    for index, row in enumerate(rows):
        gap = row[0].box[1] - max(label.box[3] for label in kept) if kept else 0.0
        alone = len(row) == 1 and index > 0
        between = alone and _is_between(row[0], rows[0], centres)
        if gap > 1.0 * height or (between and gap > 0.1 * height) or (alone and between):
            return kept, _title(frame, [label for r in rows[index:] for label in r], max(x.box[3] for x in kept))
        kept += row
    return kept, None


def _is_between(label: Label, first_row: Sequence[Label], centres: Sequence[float] | None) -> bool:
    """Whether a word is centred under no tick label: an axis title."""
    places = list(centres) if centres is not None else [other.x for other in first_row]
    pitch = min(np.diff(sorted(places)), default=1e9) if len(places) > 1 else 1e9
    middle = (min(places) + max(places)) / 2
    off = min(abs(label.x - place) for place in places)
    return off > 0.2 * pitch or (abs(label.x - middle) <= 6 and label.box[2] - label.box[0] > 1.1 * pitch)


def _title(frame: Frame, rest: Sequence[Label], below: float) -> str | None:
    near = [label for label in rest if label.box[1] - below <= 3.5 * label.word.line_height]
    near = [label for label in near if 0.2 * frame.width < label.x < 0.85 * frame.width and label.number is None]
    return " ".join(label.text for label in _rows(near)[0]) if near else None


def _centres_of(zone: Sequence[Label]) -> list[float]:
    """Columns of the tick labels: those of the row nearest to the plot."""
    rotated = np.median([abs(label.word.angle) for label in zone]) >= ROTATED
    height = float(np.median([label.word.line_height for label in zone]))
    first = min(label.box[1] for label in zone)
    top = [label for label in zone if label.box[1] <= first + (1.2 if rotated else 0.8) * height]
    return sorted(label.anchors[_side(label)] for label in top)


def _side(label: Label) -> int:
    angle = label.word.angle
    if ROTATED <= angle <= 75:
        return 2
    return 0 if -75 <= angle <= -ROTATED else 1


def _best_anchor(zone: Sequence[Label], centres: Sequence[float]) -> int:
    """Which end of rotated labels stands at the tick: the one that lies nearest to the categories."""
    if np.median([abs(label.word.angle) for label in zone]) < ROTATED or zone[0].word.angle > 75:
        return 1
    places = np.array(centres)
    return min((2, 1, 0), key=lambda side: float(np.median([np.abs(places - x.anchors[side]).min() for x in zone])))


def _join(lines: Sequence[Label]) -> str:
    text = ""
    for line in sorted(lines, key=lambda label: (round(label.order[0] / 6), label.order[1])):
        glue = "" if text.endswith(("-", "/")) else " "
        text = f"{text}{glue}{line.text}" if text else line.text
    text = text.replace(" | ", " ").replace("|", "I").strip()
    return _STARRED.sub(r"\1*", text)
