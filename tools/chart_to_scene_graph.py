"""`chart_to_scene_graph`: the parts of a chart and how they belong together."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tools.chart.query import scene_of
from tools.chart.scene_graph import Node, scene_graph
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image

MAX_NODES = 60
"""The policy reads so many nodes; all of them are in the data."""


class ChartToSceneGraphArguments(ImageArguments):
    """Arguments of `chart_to_scene_graph`: which image."""


@register_tool
class ChartToSceneGraph(Tool):
    """Geometry (OpenCV) and words (RapidOCR). Data: `{"nodes": [...], "edges": [[source, relation, target], ...]}`."""

    name = "chart_to_scene_graph"
    description = "Lists the parts of a chart as JSON lines: title, axes, labels, series, marks with value and box."
    arguments = ChartToSceneGraphArguments
    aliases = ("chart2scg", "ChartToSCG")
    family = "chart"
    remote = True

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One graph per call."""
        return run_each(_graph, calls)


def _graph(call: ToolCall) -> ToolResult:
    arguments = ChartToSceneGraphArguments.model_validate(dict(call.arguments))
    nodes, edges = scene_graph(scene_of(selected_image(call, arguments)))
    lines = [_line(node) for node in nodes[:MAX_NODES]]
    if len(nodes) > MAX_NODES:
        lines.append(f"... {len(nodes) - MAX_NODES} more")
    return ToolResult("\n".join(lines), data={"nodes": nodes, "edges": [list(edge) for edge in edges]})


def _line(node: Node) -> str:
    """Without what is empty; a mark names its label and series, so that no edges are needed to read it."""
    return json.dumps({key: value for key, value in node.items() if value not in (None, "", [])}, ensure_ascii=False)
