"""`chart_to_svg`: a chart drawn anew as a clean SVG."""

from __future__ import annotations

from collections.abc import Sequence

from tools.chart.query import scene_of
from tools.chart.svg import draw_svg, shortened
from tools.registry import register_tool
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image

MAX_TEXT = 3000
"""About how many characters of the SVG the policy reads; the whole of it is in the data."""


class ChartToSvgArguments(ImageArguments):
    """Arguments of `chart_to_svg`: which image."""


@register_tool
class ChartToSvg(Tool):
    """Geometry (OpenCV) and words (RapidOCR). Data: `{"svg": document}`."""

    name = "chart_to_svg"
    description = "Draws a bar, line or pie chart anew as SVG: title, axes, ticks, marks with their label and value."
    arguments = ChartToSvgArguments
    aliases = ("chart2svg", "ChartToSVG")
    family = "chart"
    remote = True

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One document per call."""
        return run_each(_draw, calls)


def _draw(call: ToolCall) -> ToolResult:
    arguments = ChartToSvgArguments.model_validate(dict(call.arguments))
    svg = draw_svg(scene_of(selected_image(call, arguments)))
    return ToolResult(shortened(svg, MAX_TEXT), data={"svg": svg})
