"""A `ChartScene` as a graph: what there is (nodes) and how it belongs together (edges)."""

from __future__ import annotations

from typing import Any

from tools.chart.scene import ChartScene

Node = dict[str, Any]
Edge = tuple[str, str, str]
"""Source, relation, target."""


def scene_graph(scene: ChartScene) -> tuple[list[Node], list[Edge]]:
    """Nodes and edges of a chart.

    Node types: `chart`, `title`, `axis` (with title and ticks), `label`, `series` (with its colour), and `bar`, `point`
    or `sector` (with label, series, value, colour, box in pixels).
    Relations: `names` (title, chart), `part_of` (axis, chart), `on` (label, axis), `at` (mark, label), `of` (mark,
    series).
    """
    table = scene.table
    nodes: list[Node] = [{"id": "chart", "type": "chart", "kind": table.kind, "unit": table.unit}]
    edges: list[Edge] = []
    if table.title:
        nodes.append({"id": "title", "type": "title", "text": table.title})
        edges.append(("title", "names", "chart"))
    value_axis, label_axis = ("x_axis", "y_axis") if table.type == "h_bar" else ("y_axis", "x_axis")
    if table.type != "pie":
        ticks = {value_axis: [tick.text for tick in scene.ticks], label_axis: []}
        for axis, title in (("x_axis", table.x_axis), ("y_axis", table.y_axis)):
            nodes.append({"id": axis, "type": "axis", "title": title, "ticks": ticks[axis]})
            edges.append((axis, "part_of", "chart"))
    for index, row in enumerate(table.rows):
        nodes.append({"id": f"label{index}", "type": "label", "text": row[0]})
        if table.type != "pie":
            edges.append((f"label{index}", "on", label_axis))
    paint = {mark.column: mark.colour for mark in reversed(scene.marks)}
    one_colour = len({mark.colour for mark in scene.marks}) <= len(table.series)
    for index, name in enumerate(table.series):
        nodes.append(
            {"id": f"series{index}", "type": "series", "text": name, "colour": paint.get(index) if one_colour else None}
        )
    for index, mark in enumerate(scene.marks):
        label, series, value = scene.cell(mark)
        box = [round(side) for side in mark.box]
        told = {"label": label, "series": series, "value": value, "colour": mark.colour, "box": box}
        nodes.append({"id": f"mark{index}", "type": mark.shape, **told})
        edges += [(f"mark{index}", "at", f"label{mark.row}"), (f"mark{index}", "of", f"series{mark.column}")]
    return nodes, edges
