"""Draws a `ChartSpec` with matplotlib: small pictures whose text an OCR engine can read, the same bytes every time."""

from __future__ import annotations

import io
import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import matplotlib.style
import matplotlib.ticker
import matplotlib.transforms
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from envs.datasets.embedded_spec import ChartSpec

WIDTH, HEIGHT, DPI = 480, 340, 100
"""Picture size in pixels: large enough for 12-pixel text, small enough for fast OCR."""
CHARACTER = 7.4
"""Mean width in pixels of a character at the font size used."""
_PALETTES = (
    ("#2f5f8f", "#d9822b", "#5a9a4c", "#b5475d", "#7a62a8", "#8c6d4f"),
    ("#1b7f79", "#e0a030", "#c4513f", "#4c6fb0", "#7d9b3c", "#8a5a9e"),
    ("#4878a8", "#c85a54", "#6aa06a", "#d4a04c", "#8a7ab0", "#5aa0a8"),
    ("#33476b", "#c96f3b", "#3f8f6b", "#a8437a", "#7f7f3f", "#5b8fb9"),
)
_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.8,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """Attributes:
    png: the encoded picture.
    models: marks of each series (each slice, for a pie) in the release's annotation form, boxes in pixels from the
        upper left corner.
    """

    png: bytes
    models: list[dict[str, Any]]


def render(spec: ChartSpec) -> bytes:
    """The chart as PNG bytes, `WIDTH` x `HEIGHT`, the same for the same spec and matplotlib version."""
    return draw(spec).png


def draw(spec: ChartSpec) -> Drawing:
    """The chart as PNG and where its marks are."""
    style = random.Random(spec.style)
    colors = list(style.choice(_PALETTES))
    if spec.kind != "pie":
        first = style.randrange(len(colors))
        colors = colors[first:] + colors[:first]
    with mpl.style.context(["default", _RC]):
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        figure.text(0.5, 0.965, spec.title, ha="center", va="top", fontsize=10, weight="bold")
        if spec.kind == "pie":
            boxes = _pie(spec, axes, colors, inside=style.random() < 0.3)
        else:
            show_axis = style.random() < 0.4 or not spec.labelled
            _frame(spec, axes, show_axis, grid=show_axis and style.random() < 0.6)
            boxes = _line(spec, axes, colors) if spec.kind == "line" else _bars(spec, axes, colors)
            if len(spec.series) > 1:
                axes.legend(
                    loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=9, borderpad=0.1
                )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return Drawing(buffer.getvalue(), _models(spec, colors, boxes))


def _frame(spec: ChartSpec, axes: Axes, show_axis: bool, grid: bool) -> None:
    """Margins, spines, ticks and limits."""
    values = [float(v) for column in spec.values for v in column]
    top, bottom = max(values) * 1.14, 0.0
    if spec.kind == "line":
        span = (max(values) - min(values)) or max(values)
        top, bottom = max(values) + 0.28 * span, max(0.0, min(values) - 0.35 * span)
    left = (max(map(len, spec.labels)) if spec.kind == "h_bar" else 6 if show_axis else 1) * CHARACTER + 14
    lower = 40 if spec.kind == "h_bar" and show_axis else 20 if spec.kind == "h_bar" else 34
    upper = 62 if len(spec.series) > 1 else 42
    axes.set_position(Bbox.from_extents(left / WIDTH, lower / HEIGHT, 1 - 14 / WIDTH, 1 - upper / HEIGHT))
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=3, color="#555555")
    across = spec.kind == "h_bar"
    number_axis = axes.xaxis if across else axes.yaxis
    number_axis.set_major_locator(mpl.ticker.MaxNLocator(5))
    if across:
        axes.set_xlim(bottom, top)
        axes.set_yticks(range(len(spec.labels)), spec.labels)
        axes.set_ylim(len(spec.labels) - 0.4, -0.6)
    else:
        axes.set_ylim(bottom, top)
        axes.set_xticks(range(len(spec.labels)), spec.labels)
        axes.set_xlim(-0.6, len(spec.labels) - 0.4)
    (axes.tick_params(axis="y" if across else "x", length=0))
    if not show_axis:
        number_axis.set_visible(False)
        axes.spines["bottom" if across else "left"].set_visible(False)
    if grid:
        number_axis.grid(True, color="#e4e4e4", linewidth=0.7)


def _bars(spec: ChartSpec, axes: Axes, colors: list[str]) -> list[list[Bbox]]:
    width = (0.62 if len(spec.series) == 1 else 0.8) / len(spec.series)
    containers: list[BarContainer] = []
    for k, (name, column) in enumerate(zip(spec.series, spec.values, strict=True)):
        offset = (k - (len(spec.series) - 1) / 2) * width
        at = [i + offset for i in range(len(spec.labels))]
        numbers = [float(v) for v in column]
        if spec.kind == "h_bar":
            bars = axes.barh(at, numbers, height=width, color=colors[k], label=name)
        else:
            bars = axes.bar(at, numbers, width=width, color=colors[k], label=name)
        if spec.labelled:
            axes.bar_label(bars, labels=[spec.text(v) for v in column], padding=2, fontsize=9)
        containers.append(bars)
    return [[bar.get_window_extent() for bar in bars] for bars in containers]


def _line(spec: ChartSpec, axes: Axes, colors: list[str]) -> list[list[Bbox]]:
    boxes: list[list[Bbox]] = []
    for k, (name, column) in enumerate(zip(spec.series, spec.values, strict=True)):
        numbers = [float(v) for v in column]
        axes.plot(range(len(numbers)), numbers, marker="o", markersize=4.5, linewidth=1.8, color=colors[k], label=name)
        for i, value in enumerate(column if spec.labelled else ()):
            above, aside = _label_side(spec, k, numbers, i)
            axes.annotate(
                spec.text(value), (i, numbers[i]), xytext=(aside, 6 if above else -6), textcoords="offset points",
                ha="center", va="bottom" if above else "top", fontsize=9,
            )  # fmt: skip
        points = axes.transData.transform([(i, value) for i, value in enumerate(numbers)])
        boxes.append([Bbox.from_bounds(x - 3, y - 3, 6, 6) for x, y in points])
    return boxes


def _label_side(spec: ChartSpec, k: int, numbers: list[float], i: int) -> tuple[bool, int]:
    """Whether a point's number goes above it, and how many points aside, so that the line does not cross it."""
    before, after = numbers[max(0, i - 1)], numbers[min(len(numbers) - 1, i + 1)]
    if len(spec.series) > 1:
        above = sum(spec.values[k]) == max(sum(column) for column in spec.values)
    else:
        above = numbers[i] >= (before + after) / 2
    span = max(numbers) - min(numbers)
    slope = (after - before) / span if 0 < i < len(numbers) - 1 and span else 0.0
    if min(before, after) < numbers[i] < max(before, after) and abs(slope) > 0.25:
        return above, (-10 if (slope > 0) == above else 10)
    return above, 0


def _pie(spec: ChartSpec, axes: Axes, colors: list[str], inside: bool) -> list[list[Bbox]]:
    axes.set_position(Bbox.from_extents(0.16, 0.02, 0.84, 0.84))
    texts = [spec.text(value) for value in spec.values[0]]
    labels = spec.labels if inside else [f"{name} {text}" for name, text in zip(spec.labels, texts, strict=True)]
    wedges, *_ = axes.pie(
        [float(value) for value in spec.values[0]],
        labels=labels,
        colors=colors[: len(labels)],
        startangle=_start_angle(labels, [float(value) for value in spec.values[0]]),
        counterclock=False,
        labeldistance=1.08,
        textprops={"fontsize": 9},
        wedgeprops={"edgecolor": "white", "linewidth": 1.5},
    )
    if inside:
        for wedge, text in zip(wedges, texts, strict=True):
            angle = mpl.transforms.Affine2D().rotate_deg((wedge.theta1 + wedge.theta2) / 2)
            x, y = angle.transform((0.68, 0.0))
            axes.text(x, y, text, ha="center", va="center", fontsize=9, color="white", weight="bold")
    return [[wedge.get_window_extent()] for wedge in wedges]


def _start_angle(labels: Sequence[str], sizes: list[float]) -> float:
    """Degrees at which the first slice starts: 12 o'clock, unless another angle keeps the outer labels further apart.

    An engine reads two labels that nearly touch as one. Labels are taken as boxes that hang off the circle.
    """
    radius, height, enough = 1.08 * 0.42 * HEIGHT, 14.0, 15.0
    widths = [len(label) * CHARACTER for label in labels]
    middles = [(sum(sizes[:i]) + size / 2) / sum(sizes) for i, size in enumerate(sizes)]

    def room(start: float) -> float:
        """The smallest gap in pixels, across or upright, between any two labels."""
        angles = [math.radians(start - 360 * middle) for middle in middles]
        boxes = [
            (x if x > 0 else x - width, radius * math.sin(angle) - height / 2, width)
            for angle, width in zip(angles, widths, strict=True)
            for x in (radius * math.cos(angle),)
        ]
        gaps = (
            max(a[0] - b[0] - b[2], b[0] - a[0] - a[2], abs(a[1] - b[1]) - height)
            for a, b in itertools.combinations(boxes, 2)
        )
        return min(gaps)

    return max((90, *range(0, 360, 10)), key=lambda start: min(room(start), enough))


def _models(spec: ChartSpec, colors: list[str], boxes: list[list[Bbox]]) -> list[dict[str, Any]]:
    """The annotation of every series: names, colours, values and pixel boxes from the upper left corner."""

    def pixel(box: Bbox) -> dict[str, float]:
        return {
            "x": round(box.x0, 1),
            "y": round(HEIGHT - box.y1, 1),
            "w": round(box.width, 1),
            "h": round(box.height, 1),
        }

    if spec.kind == "pie":
        return [
            {"name": name, "color": color, "bbox": pixel(box[0]), "value": float(value), "text_label": name}
            for name, color, box, value in zip(spec.labels, colors, boxes, spec.values[0], strict=False)
        ]
    return [
        {"name": name, "color": color, "bboxes": [pixel(box) for box in row], "x": list(spec.labels),
         "y": [float(value) for value in column]}
        for name, color, row, column in zip(spec.series, colors, boxes, spec.values, strict=False)
    ]  # fmt: skip
