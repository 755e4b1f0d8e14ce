"""`read_scene`: from pixels and words to a `ChartScene`, and with it to a `ChartTable`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from tools.chart.axes import ValueAxis, axis_through, find_floor, find_value_axis
from tools.chart.bars import BarSet, find_bars, group_bars, series_colours
from tools.chart.categories import CategoryAxis, fill_years, find_categories
from tools.chart.frame import Frame, Label
from tools.chart.legend import LegendEntry, find_legend, without_furniture
from tools.chart.lines import find_lines
from tools.chart.mark import Colour, Mark, chart_colours, hexadecimal, marks_of
from tools.chart.markers import marker_columns, on_markers
from tools.chart.number import Number, format_value
from tools.chart.pies import find_pie
from tools.chart.scene import ChartScene, SceneMark, SceneText, around
from tools.chart.scene_parts import scene_entries, scene_texts
from tools.chart.sectors import read_pie
from tools.chart.table import LABEL, VALUE, ChartTable
from tools.chart.text import Word
from tools.chart.title import find_title, find_y_title, joined
from tools.chart.values import Place, assign_values, repaired, tolerance_of
from tools.errors import ToolInputError


def read_scene(pixels: np.ndarray, words: Sequence[Word]) -> ChartScene:
    """Reads a bar, line or pie chart, and where on the picture everything is.

    Args:
        pixels: uint8 [height, width, 3], RGB.
        words: its words, in image coordinates.

    Raises:
        ToolInputError: no chart of these kinds was recognised.
    """
    scene = _read(Frame(pixels, tuple(words)))
    if not any(cell for row in scene.table.rows for cell in row):
        raise ToolInputError("no bar, line or pie chart with labels or values was recognised in this image")
    return scene


def read_chart(pixels: np.ndarray, words: Sequence[Word]) -> ChartTable:
    """The table alone. Arguments and errors as for `read_scene`."""
    return read_scene(pixels, words).table


def _read(frame: Frame) -> ChartScene:
    labels = without_furniture(frame.labels, frame.width)
    colours = chart_colours(frame.pixels)
    marks = [mark for colour in colours for mark in marks_of(frame.pixels, colour)]
    pie = find_pie(frame, marks)
    legend = find_legend(frame, labels, marks)
    if pie is not None and len(legend) < len(pie.sectors) - 1:
        legend = []
    named = {id(label) for entry in legend for label in entry.labels}
    labels = [label for label in labels if id(label) not in named]
    if pie is not None:
        return read_pie(frame, pie, labels, legend)
    bars = find_bars(frame, marks, labels, [entry.marker for entry in legend])
    if bars is not None:
        return _read_bars(bars, labels, legend)
    return _read_lines(frame, colours, labels, legend)


def _read_bars(bars: BarSet, labels: Sequence[Label], legend: Sequence[LegendEntry]) -> ChartScene:
    frame = bars.frame
    words = {label.word for label in labels}  # by value: turning a frame takes words apart anew
    labels = [label for label in frame.labels if label.word in words]
    axis = find_value_axis(frame, [label for label in labels if not _on_bars(label, bars)])
    labels = _without(labels, axis.ticks if axis else ())
    baseline = _zero_row(bars, axis)
    colour_of = series_colours(bars, [entry.colour for entry in legend])
    groups = group_bars(bars, colour_of)
    centres = [float(np.mean([bar.x for bar in group.values()])) for group in groups]
    bottom = max(bar.y2 for bar in bars.bars)
    if axis:
        bottom = max(bottom, min(max(tick.y for tick in axis.ticks), frame.height - 1.0))
    categories = find_categories(frame, labels, bottom, centres)
    heading = find_title(frame, labels, min(bar.y1 for bar in bars.bars))
    order = _series_order(colour_of.values(), legend)
    single = len(order) == 1 or (max(len(group) for group in groups) == 1 and not legend)
    places, cells, marks = [], [], []
    for row, group in enumerate(groups):
        for colour, bar in group.items():
            places.append(_place(bar, bars, axis, baseline))
            cells.append((row, 0 if single else order.index(colour)))
            box = frame.to_image((bar.x1, bar.y1, bar.x2, bar.y2))
            marks.append(SceneMark(*cells[-1], "bar", hexadecimal(colour), box))
    inside = [label for label in labels if label.y < bottom and label not in heading]
    values, printed, numbers = _values(places, inside, axis, baseline)
    grid = [["" for _ in range(1 if single else len(order))] for _ in groups]
    for (row, column), value in zip(cells, values, strict=True):
        grid[row][column] = value
    names = [VALUE] if single else _series_names(order, legend)
    if single and len(order) == 1 and len(legend) == 1:
        names = [legend[0].name]
    row_names = fill_years(categories.names)
    if single and len(legend) == len(groups) and not any(row_names):
        by_colour = {entry.colour: entry.name for entry in legend}
        row_names = [by_colour.get(next(iter(group)), "") for group in groups]
    rows = list(zip(row_names, grid, strict=True))
    value_title = find_y_title(labels, frame)
    table = ChartTable(
        type="h_bar" if frame.turned else "v_bar",
        columns=(_header(categories), *names),
        rows=tuple((name, *cells) for name, cells in rows),
        title=joined(heading),
        unit=_unit([*numbers, *_tick_numbers(axis)]),
        x_axis=value_title if frame.turned else categories.title,
        y_axis=categories.title if frame.turned else value_title,
        printed_values=printed,
        colours=tuple(hexadecimal(colour) for colour in order),
    )
    return _scene(frame, table, marks, heading, axis, [(c, bottom) for c in centres], legend)


def _read_lines(
    frame: Frame, colours: Sequence[Colour], labels: Sequence[Label], legend: Sequence[LegendEntry]
) -> ChartScene:
    axis = find_value_axis(frame, labels)
    labels = _without(labels, axis.ticks if axis else ())
    bottom = find_floor(frame, labels, axis)
    if bottom is None:
        raise ToolInputError("no bar, line or pie chart with labelled values was recognised in this image")
    heading = find_title(frame, labels, bottom)
    below = max((label.box[3] for label in heading), default=0.0)
    top = max(below, min(tick.y for tick in axis.ticks) - 25) if axis else below
    categories = find_categories(frame, labels, bottom)
    if not categories.centres:
        raise ToolInputError("no labels were found below the chart's axis")
    right = min(frame.width, categories.centres[-1] + 12)
    plot = (categories.centres[0] - 12, top, right, bottom - 1)
    lines = find_lines(frame, colours, labels, plot, [entry.marker for entry in legend])
    if not lines and legend:
        legend = ()
        lines = find_lines(frame, colours, labels, plot, [])
    if not lines:
        raise ToolInputError("no bars, lines or sectors were found in this image")
    categories = on_markers(categories, marker_columns(lines))
    inside = [label for label in labels if label.y < bottom and label not in heading]
    places, cells, marks = [], [], []
    for column, line in enumerate(lines):
        for row, x in enumerate(categories.centres):
            y = line.row_at(x)
            if y is not None:
                places.append(Place(x, y - 4, y + 4, 10.0, axis.value(y) if axis else None))
                cells.append((row, column))
                marks.append(SceneMark(row, column, "point", hexadecimal(line.colour), (x - 4, y - 4, x + 4, y + 4)))
    values, printed, numbers = _values(places, inside, axis, None)
    grid = [["" for _ in lines] for _ in categories.centres]
    for (row, column), value in zip(cells, values, strict=True):
        grid[row][column] = value
    order = [line.colour for line in lines]
    names = [VALUE] if len(lines) == 1 and not legend else _series_names(order, legend)
    table = ChartTable(
        type="line",
        columns=(_header(categories), *names),
        rows=tuple((name, *cells) for name, cells in zip(fill_years(categories.names), grid, strict=True)),
        title=joined(heading),
        unit=_unit([*numbers, *_tick_numbers(axis)]),
        x_axis=categories.title,
        y_axis=find_y_title(labels, frame),
        printed_values=printed,
        colours=tuple(hexadecimal(colour) for colour in order),
    )
    return _scene(frame, table, marks, heading, axis, [(x, bottom) for x in categories.centres], legend)


def _scene(
    frame: Frame,
    table: ChartTable,
    marks: Sequence[SceneMark],
    heading: Sequence[Label],
    axis: ValueAxis | None,
    feet: Sequence[tuple[float, float]],
    legend: Sequence[LegendEntry],
) -> ChartScene:
    """The scene of a chart with axes. `feet`: column and row of each category on its axis, in the frame."""
    places = [frame.to_image((x, y, x, y)) for x, y in feet]
    names = [row[0] for row in table.rows]
    return ChartScene(
        table=table,
        size=(frame.height, frame.width) if frame.turned else (frame.width, frame.height),
        marks=tuple(marks),
        title=scene_texts(heading),
        ticks=scene_texts(axis.ticks if axis else ()),
        categories=tuple(SceneText(name, x, y) for name, (x, y, _, _) in zip(names, places, strict=True) if name),
        legend=scene_entries(legend),
        plot=around([mark.box for mark in marks] + places),
    )


def _values(
    places: list[Place], labels: Sequence[Label], axis: ValueAxis | None, baseline: float | None
) -> tuple[list[str], bool, list[Number]]:
    """One cell per place: the printed value, or the measured one; whether most are printed; the numbers used."""
    found = assign_values(places, labels, None)
    tolerance = tolerance_of(axis)
    if axis is not None and tolerance is not None:
        second = assign_values(places, labels, 1.5 * tolerance)
        found = [
            better if better is not None else repaired(first, place.estimate, tolerance)
            for better, first, place in zip(second, found, places, strict=True)
        ]
    elif any(found):
        known = [(p, n) for p, n in zip(places, found, strict=True) if n is not None]
        ends = [(p.bottom if n.value < 0 else p.top, n.value) for p, n in known]
        axis = axis_through(ends, None if places[0].inside else baseline)
    numbers = [number for number in found if number is not None]
    decimals = max((len(n.text.partition(".")[2]) for n in numbers), default=6)
    cells = []
    whole = axis is not None and _look_whole(places, axis.resolution)
    for place, number in zip(places, found, strict=True):
        if number is not None:
            cells.append(number.text)
        elif place.estimate is not None and axis is not None:
            cells.append(format_value(place.estimate, 2.0 if whole else axis.resolution))
        elif axis is not None and not place.inside:
            cells.append(format_value(axis.value(place.top), max(axis.resolution, 0.3 * 10.0**-decimals)))
        else:
            cells.append("")
    return cells, 2 * len(numbers) >= len(places) > 0, numbers


def _look_whole(places: Sequence[Place], resolution: float) -> bool:
    """Whether every measured value is a whole number up to a pixel: then the chart most likely shows counts."""
    values = [place.estimate for place in places if place.estimate is not None]
    return len(values) >= 3 and all(abs(value - round(value)) <= min(1.6 * resolution, 0.3) for value in values)


def _place(bar: Mark, bars: BarSet, axis: ValueAxis | None, baseline: float) -> Place:
    estimate = None
    if axis is not None:
        if bars.stacked:
            estimate = bar.height * axis.resolution
        elif bar.y2 <= baseline + 3 or abs(bar.y2 - baseline) <= abs(bar.y1 - baseline):
            estimate = axis.value(bar.y1)
        else:
            estimate = axis.value(bar.y2)
    return Place(bar.x, bar.y1, bar.y2, bar.width, estimate, bars.stacked)


def _zero_row(bars: BarSet, axis: ValueAxis | None) -> float:
    if axis is None:
        return bars.baseline
    zero = axis.row(0.0)
    return zero if abs(zero - bars.baseline) <= 4 else bars.baseline


def _on_bars(label: Label, bars: BarSet) -> bool:
    return any(b.x1 - 2 <= label.x <= b.x2 + 2 and b.y1 <= label.y <= b.y2 for b in bars.bars)


def _without(labels: Sequence[Label], others: Iterable[Label]) -> list[Label]:
    gone = {id(label) for label in others}
    return [label for label in labels if id(label) not in gone]


def _series_order(colours: Iterable[Colour], legend: Sequence[LegendEntry]) -> list[Colour]:
    present = list(dict.fromkeys(colours))
    named = [entry.colour for entry in legend if entry.colour in present]
    return list(dict.fromkeys([*named, *present]))


def _series_names(order: Sequence[Colour], legend: Sequence[LegendEntry]) -> list[str]:
    by_colour = {entry.colour: entry.name for entry in legend}
    return [by_colour.get(colour, f"Series {i}").replace("|", "I") for i, colour in enumerate(order, 1)]


def _header(categories: CategoryAxis) -> str:
    return categories.title.replace("|", "I") if categories.title else LABEL


def _tick_numbers(axis: ValueAxis | None) -> list[Number]:
    return [label.number for label in axis.ticks if label.number] if axis else []


def _unit(numbers: Sequence[Number]) -> str | None:
    units = Counter(number.unit for number in numbers if number.unit)
    return units.most_common(1)[0][0] if units else None
