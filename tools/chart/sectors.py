"""Reading a pie: which label and which share belong to which sector."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from tools.chart.frame import Frame, Label
from tools.chart.legend import LegendEntry
from tools.chart.mark import colour_distance, hexadecimal
from tools.chart.number import Number, format_value, parse_number
from tools.chart.pies import Pie, Sector
from tools.chart.scene import ChartScene, SceneMark
from tools.chart.scene_parts import scene_entries, scene_texts
from tools.chart.table import LABEL, VALUE, ChartTable
from tools.chart.title import find_title, joined

_VALUE = re.compile(r"(?:^|[\s:;,(–-]|(?<=[A-Za-z]))\(?([<>]?\s*[$€£]?\d[\d ,.]*\s*%|[$€£]?\d[\d,.]*)\)?\s*$")
"""A share or an amount at the end of a sector's label."""
_BULLET = re.compile(r"^[\s•·●■–—-]+(?=[^\W\d])")
"""What is left of a coloured marker or connector before a sector's name."""


def read_pie(frame: Frame, pie: Pie, labels: Sequence[Label], legend: Sequence[LegendEntry]) -> ChartScene:
    """A pie: one row per sector, in reading order of the legend or clockwise from the top."""
    heading = find_title(frame, labels, pie.y - pie.radius)
    if heading and not legend and _names_sector(heading[-1], labels, pie):
        heading = ()
    near = [label for label in labels if label not in heading and _is_near(label, pie)]
    texts = _by_sector(near, pie)
    numbers: list[Number | None] = [None] * len(pie.sectors)
    names: list[str] = []
    for index, sector in enumerate(pie.sectors):
        name, number = _split(texts[index])
        numbers[index] = number
        entry = min(legend, key=lambda item: colour_distance(item.colour, sector.colour), default=None)
        if entry is not None and colour_distance(entry.colour, sector.colour) <= 24:
            name, share = _split_text(entry.name)
            numbers[index] = number or share
        names.append(name)
    printed = [number for number in numbers if number is not None]
    scale, resolution = _scale(pie, numbers)
    numbers = [
        n if n is None or _agrees(n, scale * s.share) else None for n, s in zip(numbers, pie.sectors, strict=True)
    ]
    rows = []
    for sector, name, number in zip(pie.sectors, names, numbers, strict=True):
        value = number.text if number is not None else format_value(scale * sector.share, resolution)
        rows.append((sector, (_BULLET.sub("", name).replace("|", "I"), value)))
    names_in_legend = [_split_text(entry.name)[0] for entry in legend]
    rows.sort(key=lambda item: _order(item[0].angle, item[1][0], names_in_legend))
    table = ChartTable(
        type="pie",
        columns=(LABEL, VALUE),
        rows=tuple(row for _, row in rows),
        title=joined(heading),
        unit="%" if not printed or any(number.unit == "%" for number in printed) else None,
        printed_values=2 * len(printed) >= len(pie.sectors),
        colours=tuple(hexadecimal(sector.colour) for sector, _ in rows),
    )
    return ChartScene(
        table=table,
        size=(frame.width, frame.height),
        marks=tuple(_mark(pie, sector, row) for row, (sector, _) in enumerate(rows)),
        title=scene_texts(heading),
        ticks=(),
        categories=(),
        legend=scene_entries(legend),
        plot=(pie.x - pie.radius, pie.y - pie.radius, pie.x + pie.radius, pie.y + pie.radius),
    )


def _mark(pie: Pie, sector: Sector, row: int) -> SceneMark:
    angle, middle = math.radians(sector.angle), pie.radius / 2
    x, y, half = pie.x + middle * math.cos(angle), pie.y - middle * math.sin(angle), pie.radius / 4
    start = (sector.angle - 180 * sector.share) % 360
    box = (x - half, y - half, x + half, y + half)
    return SceneMark(row, 0, "sector", hexadecimal(sector.colour), box, start, 360 * sector.share)


def _is_near(label: Label, pie: Pie) -> bool:
    x = min(max(pie.x, label.box[0]), label.box[2])
    reach = math.dist((x, label.y), (pie.x, pie.y))
    return reach <= 1.75 * pie.radius and math.dist((label.x, label.y), (pie.x, pie.y)) >= 0.12 * pie.radius


def _names_sector(label: Label, labels: Sequence[Label], pie: Pie) -> bool:
    """Whether a word above the pie is a sector's name: at the rim, and without it names would be missing."""
    x = min(max(pie.x, label.box[0]), label.box[2])
    at_rim = math.dist((x, label.box[3]), (pie.x, pie.y)) <= 1.25 * pie.radius
    names = [other for other in labels if other.number is None and _is_near(other, pie)]
    return at_rim and len(names) <= len(pie.sectors)


def _by_sector(labels: Sequence[Label], pie: Pie) -> list[list[Label]]:
    """The words of each sector. As many names (or numbers) as sectors, or fewer: at most one each."""
    texts: list[list[Label]] = [[] for _ in pie.sectors]
    for group in ([x for x in labels if x.number is None], [x for x in labels if x.number is not None]):
        if len(group) > len(pie.sectors):
            for label in group:
                texts[int(np.argmin(_angles_off(label, pie)))].append(label)
        elif group:
            rows, columns = linear_sum_assignment(np.array([_angles_off(label, pie) for label in group]))
            for row, column in zip(rows, columns, strict=True):
                texts[int(column)].append(group[int(row)])
    return texts


def _angles_off(label: Label, pie: Pie) -> list[float]:
    """Squared degrees between a word's nearest point and each sector; inside a sector hardly any."""
    x = min(max(pie.x, label.box[0]), label.box[2])
    angle = math.degrees(math.atan2(pie.y - label.y, x - pie.x)) % 360
    off = [abs((angle - sector.angle + 180) % 360 - 180) for sector in pie.sectors]
    return [max(0.0, o - 150 * s.share) ** 2 + o for o, s in zip(off, pie.sectors, strict=True)]


def _scale(pie: Pie, numbers: Sequence[Number | None]) -> tuple[float, float]:
    """Value of the whole circle and the resolution of a measured sector, from the printed values (else percent)."""
    known = [(number, sector) for number, sector in zip(numbers, pie.sectors, strict=True) if number is not None]
    wholes = [number.value / sector.share for number, sector in known]
    whole = float(np.median(wholes)) if wholes else 100.0
    decimals = max((len(number.text.partition(".")[2]) for number, _ in known), default=1)
    return whole, 0.6 * 10.0**-decimals


def _agrees(number: Number, measured: float) -> bool:
    """Whether a printed value can belong to a sector of that size: rounding is fine, another digit is not."""
    return abs(number.value - measured) <= max(0.3 * measured, 1.0)


def _order(angle: float, name: str, legend: Sequence[str]) -> tuple[float, float]:
    clockwise = (90 - angle) % 360
    return (float(legend.index(name)) if name in legend else float(len(legend)), clockwise)


def _split(labels: Sequence[Label]) -> tuple[str, Number | None]:
    """Joins a sector's words into its name and its number: a number of its own, else one at the end of the name."""
    ordered = sorted(labels, key=lambda item: (round(item.y / 6), item.x))
    alone = [label for label in ordered if label.number is not None]
    best = next((label for label in alone if label.number and label.number.unit == "%"), alone[-1] if alone else None)
    if best is not None and len(ordered) > 1:
        return " ".join(label.text for label in ordered if label is not best), best.number
    return _split_text(" ".join(label.text for label in ordered))


def _split_text(text: str) -> tuple[str, Number | None]:
    match = _VALUE.search(text)
    if match is None or not text[: match.start()].strip():
        return text.strip(), None
    return text[: match.start()].strip(" -–:;,("), parse_number(match[1].lstrip("<> "))
