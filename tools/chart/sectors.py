"""Reading a pie: which label and which share belong to which sector."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from tools.chart.frame import Frame, Label
from tools.chart.legend import LegendEntry
from tools.chart.mark import colour_distance
from tools.chart.number import Number, format_value, parse_number
from tools.chart.pies import Pie
from tools.chart.table import LABEL, VALUE, ChartTable
from tools.chart.title import find_title

_SHARE = re.compile(r"[-–:;,(]?\s*\(?([<>]?\s*[\d][\d ,.]*\s*%)\)?\s*$")


def read_pie(frame: Frame, pie: Pie, labels: Sequence[Label], legend: Sequence[LegendEntry]) -> ChartTable:
    """The table of a pie: one row per sector, in reading order of the legend or clockwise from the top."""
    title = find_title(frame, labels, pie.y - pie.radius)
    texts: list[list[Label]] = [[] for _ in pie.sectors]
    numbers: list[Number | None] = [None] * len(pie.sectors)
    for label in labels:
        distance = math.dist((label.x, label.y), (pie.x, pie.y))
        nearest_x = min(max(pie.x, label.box[0]), label.box[2])
        reach = math.dist((nearest_x, label.y), (pie.x, pie.y))
        if title and label.text in title:
            continue
        if reach > 1.75 * pie.radius or distance < 0.12 * pie.radius:
            continue
        texts[pie.sector_at(label.x, label.y)].append(label)
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
    rows = []
    for sector, name, number in zip(pie.sectors, names, numbers, strict=True):
        value = number.text if number is not None else format_value(100 * sector.share, 0.1)
        rows.append((sector, (name.replace("|", "I"), value)))
    names_in_legend = [_split_text(entry.name)[0] for entry in legend]
    rows.sort(key=lambda item: _order(item[0].angle, item[1][0], names_in_legend))
    return ChartTable(
        type="pie",
        columns=(LABEL, VALUE),
        rows=tuple(row for _, row in rows),
        title=title,
        unit="%" if not printed or any(number.unit == "%" for number in printed) else None,
        printed_values=2 * len(printed) >= len(pie.sectors),
        colours=tuple("#{:02x}{:02x}{:02x}".format(*sector.colour) for sector, _ in rows),
    )


def _order(angle: float, name: str, legend: Sequence[str]) -> tuple[float, float]:
    clockwise = (90 - angle) % 360
    return (float(legend.index(name)) if name in legend else float(len(legend)), clockwise)


def _split(labels: Sequence[Label]) -> tuple[str, Number | None]:
    """Joins a sector's words into its name and its number."""
    name, number = "", None
    for label in sorted(labels, key=lambda item: (round(item.y / 6), item.x)):
        if label.number is not None and (number is None or label.number.unit == "%"):
            number = label.number
            continue
        text, share = _split_text(label.text)
        name = f"{name} {text}".strip()
        number = number or share
    return name, number


def _split_text(text: str) -> tuple[str, Number | None]:
    match = _SHARE.search(text)
    if match is None:
        return text.strip(), None
    return text[: match.start()].strip(" -–:;,("), parse_number(match[1].lstrip("<> "))
