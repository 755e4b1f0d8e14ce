"""`TableTool`: what the chart tools share that answer from a chart's table, whoever reads the table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

from tools.chart.query import table_of
from tools.chart.table import ChartTable
from tools.errors import ToolInputError
from tools.image import Image
from tools.tool import Arguments, ImageArguments, Tool, ToolCall, ToolResult, run_each, selected_image

A = TypeVar("A", bound=ImageArguments)


class TableTool(Tool, Generic[A]):
    """A chart tool whose result follows from the table alone.

    The embedded backend reads the table with geometry and OCR. A model that reads charts becomes a backend of every
    such tool at once by overriding `read_tables` (`tools.models.chart_reader`).
    """

    arguments: ClassVar[type[Arguments]] = ImageArguments
    family = "chart"
    remote = True

    @abstractmethod
    def look_up(self, table: ChartTable, arguments: A) -> ToolResult:
        """The result for one chart. Raises `ToolInputError` when the table cannot serve these arguments."""

    def read_tables(self, images: Sequence[Image]) -> list[ChartTable | ToolInputError]:
        """One table per image, in order; an error where the image is no readable chart."""
        return [_read(image) for image in images]

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """Each chart of the batch is read once."""
        asked = [cast(A, self.arguments.model_validate(dict(call.arguments))) for call in calls]
        images = dict.fromkeys(
            call.images[arguments.image]
            for call, arguments in zip(calls, asked, strict=True)
            if arguments.image < len(call.images)
        )
        tables = dict(zip(images, self.read_tables(list(images)), strict=True))

        def answer(call: ToolCall) -> ToolResult:
            arguments = cast(A, self.arguments.model_validate(dict(call.arguments)))
            table = tables[selected_image(call, arguments)]
            if isinstance(table, ToolInputError):
                raise table
            return self.look_up(table, arguments)

        return run_each(answer, calls)


def blocks(facts: Mapping[str, Mapping[str, Any]]) -> str:
    """Facts under headings: one line each, an empty line between headings."""
    return "\n\n".join(
        "\n".join([name, *(f"{key} {value}" for key, value in found.items())]) for name, found in facts.items()
    )


def _read(image: Image) -> ChartTable | ToolInputError:
    try:
        return table_of(image)
    except ToolInputError as error:
        return error
