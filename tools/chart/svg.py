"""A `ChartScene` drawn anew as a clean SVG: flat elements, one a line, with labels and numbers as attributes."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from tools.chart.scene import ChartScene, SceneMark

FONT_SIZE = 12
_AXIS = {"stroke": "#404040", "stroke-width": "1"}


def draw_svg(scene: ChartScene) -> str:
    """The chart as an SVG document of the image's size; what OCR read is escaped."""
    width, height = scene.size
    root = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "font-family": "sans-serif",
            "font-size": str(FONT_SIZE),
        },
    )
    _titles(root, scene)
    if scene.table.type != "pie":
        _axes(root, scene)
    for colour in dict.fromkeys(mark.colour for mark in scene.marks if mark.shape == "point"):
        line = [mark for mark in scene.marks if mark.colour == colour]
        path = " ".join(f"{mark.x:.0f},{mark.y:.0f}" for mark in line)
        _add(root, "polyline", points=path, fill="none", stroke=colour, stroke_width="2", **_series(scene, line[0]))
    stacked = _is_stacked(scene)
    for mark in scene.marks:
        _mark(root, scene, mark, stacked)
    for entry in scene.legend:
        box = {"x": f"{entry.x - 5:.0f}", "y": f"{entry.y - 5:.0f}", "width": "10", "height": "10"}
        _add(root, "rect", **box, fill=entry.colour, class_="legend")
        _text(root, entry.name, entry.x + 9, entry.y + 4, "legend", "start")
    ElementTree.indent(root, " ")
    return ElementTree.tostring(root, encoding="unicode")


def shortened(svg: str, limit: int) -> str:
    """At most about `limit` characters of an SVG: whole lines, and a comment that counts those left out."""
    if len(svg) <= limit:
        return svg
    lines, kept, length = svg.splitlines(), [], 0
    for line in lines:
        length += len(line) + 1
        if length > limit:
            break
        kept.append(line)
    return "\n".join([*kept, f" <!-- {len(lines) - len(kept) - 1} more elements -->", "</svg>"])


def _titles(root: ElementTree.Element, scene: ChartScene) -> None:
    for line in scene.title:
        _text(root, line.text, line.x, line.y + 4, "title")
    left, top, right, bottom = scene.plot
    if scene.table.x_axis:
        _text(root, scene.table.x_axis, (left + right) / 2, min(bottom + 36, scene.size[1] - 2), "x-axis")
    if scene.table.y_axis:
        leftmost = 0 if scene.table.type == "h_bar" else min([left, *(tick.x for tick in scene.ticks)])
        x, y = max(leftmost - 30, 12), (top + bottom) / 2
        _text(root, scene.table.y_axis, x, y, "y-axis", transform=f"rotate(-90 {x:.0f} {y:.0f})")


def _axes(root: ElementTree.Element, scene: ChartScene) -> None:
    left, top, right, bottom = scene.plot
    turned = scene.table.type == "h_bar"
    _add(root, "line", x1=f"{left:.0f}", y1=f"{top:.0f}", x2=f"{left:.0f}", y2=f"{bottom:.0f}", **_AXIS)
    _add(root, "line", x1=f"{left:.0f}", y1=f"{bottom:.0f}", x2=f"{right:.0f}", y2=f"{bottom:.0f}", **_AXIS)
    for tick in scene.ticks:
        _text(root, tick.text, tick.x, tick.y + 4, "tick")
    for label in scene.categories:
        if turned:
            _text(root, label.text, label.x - 6, label.y + 4, "label", "end")
        else:
            _text(root, label.text, label.x, label.y + 16, "label")


def _mark(root: ElementTree.Element, scene: ChartScene, mark: SceneMark, stacked: bool) -> None:
    label, _, value = scene.cell(mark)
    told = {**_series(scene, mark), "data_label": label, "data_value": value, "fill": mark.colour}
    x1, y1, x2, y2 = mark.box
    if mark.shape == "bar":
        size = {"width": f"{x2 - x1:.0f}", "height": f"{y2 - y1:.0f}"}
        _add(root, "rect", x=f"{x1:.0f}", y=f"{y1:.0f}", **size, **told)
    elif mark.shape == "point":
        _add(root, "circle", cx=f"{mark.x:.0f}", cy=f"{mark.y:.0f}", r="3", **told)
    else:
        _add(root, "path", d=_sector(scene, mark), **told)
    if value and scene.table.printed_values:
        if stacked:
            _text(root, value, mark.x, mark.y + 4, "value", fill="white" if _is_dark(mark.colour) else "black")
        elif scene.table.type == "h_bar":
            _text(root, value, x2 + 4, mark.y + 4, "value", "start")
        elif mark.shape == "sector":
            _text(root, f"{label} {value}".strip(), mark.x, mark.y + 4, "value")
        else:
            _text(root, value, mark.x, y1 - 4, "value")


def _is_stacked(scene: ChartScene) -> bool:
    """Whether two bars of a label stand on each other: then values belong inside."""
    places = [(mark.row, round(mark.y if scene.table.type == "h_bar" else mark.x)) for mark in scene.marks]
    return scene.table.type in ("v_bar", "h_bar") and len(set(places)) < len(places)


def _is_dark(colour: str) -> bool:
    """Whether white is easier to read on it than black, by its luma (ITU-R BT.601)."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue < 128


def _sector(scene: ChartScene, mark: SceneMark) -> str:
    """A path from the centre along the rim and back."""
    left, top, right, bottom = scene.plot
    x, y, radius = (left + right) / 2, (top + bottom) / 2, (right - left) / 2
    first, last = math.radians(mark.start), math.radians(mark.start + mark.sweep)
    ends = [(x + radius * math.cos(angle), y - radius * math.sin(angle)) for angle in (first, last)]
    (x1, y1), (x2, y2) = ends
    large = int(mark.sweep > 180)
    return f"M{x:.0f} {y:.0f} L{x1:.1f} {y1:.1f} A{radius:.0f} {radius:.0f} 0 {large} 0 {x2:.1f} {y2:.1f} Z"


def _series(scene: ChartScene, mark: SceneMark) -> dict[str, str]:
    return {"data_series": scene.cell(mark)[1]}


def _text(
    root: ElementTree.Element, text: str, x: float, y: float, kind: str, anchor: str = "middle", **more: str
) -> None:
    _add(root, "text", x=f"{x:.0f}", y=f"{y:.0f}", class_=kind, text_anchor=anchor, **more).text = _printable(text)


def _add(root: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    """A child; underscores of attribute names become hyphens (`class_` is `class`)."""
    named = {name.rstrip("_").replace("_", "-"): _printable(value) for name, value in attributes.items()}
    return ElementTree.SubElement(root, tag, named)


def _printable(text: str) -> str:
    """Without control characters, which XML does not allow."""
    return "".join(c for c in text if c.isprintable())
