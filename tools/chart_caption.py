"""`chart_caption`: a chart in two or three sentences, colours included."""

from __future__ import annotations

from tools.chart.colour_name import colour_name
from tools.chart.query import chosen_points, in_time, written
from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool
from tools.chart_trend import direction
from tools.registry import register_tool
from tools.tool import ImageArguments, ToolResult

MAX_NAMES = 8
"""More series or sectors than this are not listed by name."""


class ChartCaptionArguments(ImageArguments):
    """Arguments of `chart_caption`: which image."""


@register_tool
class ChartCaption(TableTool[ChartCaptionArguments]):
    """A template over the table that `chart_to_table` reads."""

    name = "chart_caption"
    description = "Describes a chart in two or three sentences, with the colours of its series."
    arguments = ChartCaptionArguments
    aliases = ("CaptioningColor", "ChartMoE.to_caption")

    def look_up(self, table: ChartTable, arguments: ChartCaptionArguments) -> ToolResult:
        """What is shown, in which colours, and what stands out."""
        text = " ".join([_subject(table), *_highlights(table)])
        return ToolResult(text, data={"caption": text})


def _subject(table: ChartTable) -> str:
    article = "An" if table.kind[0] in "aeiou" else "A"
    title = f' titled "{table.title}"' if table.title else ""
    labels = [row[0] for row in table.rows]
    span = f"{len(labels)} labels from {labels[0]} to {labels[-1]}" if len(labels) > 1 else f"the label {labels[0]}"
    unit = f" in {table.unit}" if table.unit else ""
    return f"{article} {table.kind}{title} with {span}{unit}{_colours(table)}."


def _colours(table: ChartTable) -> str:
    names = [row[0] for row in table.rows] if table.type == "pie" else list(table.series)
    several = len(names) > 1
    noun = "sectors" if table.type == "pie" else "series"
    if several and len(names) > MAX_NAMES:
        return f", {len(names)} {noun}"
    if len(table.colours) == len(names):
        painted = [f"{name} ({colour_name(colour)})" for name, colour in zip(names, table.colours, strict=True)]
        return f", {len(names)} {noun}: {', '.join(painted)}" if several else f", in {colour_name(table.colours[0])}"
    return f", {len(names)} {noun}: {', '.join(names)}" if several else ""


def _highlights(table: ChartTable) -> list[str]:
    sentences = []
    for name, values in list(chosen_points(table).items())[:MAX_NAMES]:
        (high, most), (low, least) = max(values, key=lambda item: item[1]), min(values, key=lambda item: item[1])
        subject = f"{name} is" if len(table.series) > 1 else "The number is"
        sentence = f"{subject} highest for {high} ({written(most)}) and lowest for {low} ({written(least)})"
        if table.type == "line" and len(values) > 2:
            sentence += f"; overall {direction([number for _, number in in_time(values)])}"
        sentences.append(f"{sentence}.")
    return sentences
