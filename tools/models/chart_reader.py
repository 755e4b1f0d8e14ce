"""What the models that read charts share: a loaded model that writes texts, and the tools that live from its tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import PIL.Image

from tools.chart.linearised import parse_linearised
from tools.chart.table import ChartTable
from tools.chart.table_tool import TableTool
from tools.chart_analyze import ChartAnalyze
from tools.chart_caption import ChartCaption
from tools.chart_compare import ChartCompare
from tools.chart_describe import ChartDescribe
from tools.chart_extract_data import ChartExtractData
from tools.chart_summarize import ChartSummarize
from tools.chart_title import ChartTitle
from tools.chart_to_table import ChartToTable
from tools.chart_trend import ChartTrend
from tools.errors import ToolInputError
from tools.image import Image
from tools.model_settings import ModelSettings
from tools.registry import register_backend
from tools.tool import ImageArguments, Tool, ToolCall, ToolResult, ToolSettings, run_each, selected_image

TABLE_TOOLS: tuple[type[TableTool[Any]], ...] = (
    ChartToTable,
    ChartExtractData,
    ChartCompare,
    ChartDescribe,
    ChartTitle,
    ChartTrend,
    ChartAnalyze,
    ChartSummarize,
    ChartCaption,
)
"""The tools that a model serves by writing a chart's table."""
MEMORY = 512
"""Texts that a loaded model remembers, so that several look-ups in one chart read it once."""


class ChartModel(ABC):
    """A loaded model that writes a text about a picture."""

    def __init__(self) -> None:
        self._known: dict[tuple[Image, str], str] = {}

    @abstractmethod
    def write(self, pictures: Sequence[PIL.Image.Image], prompts: Sequence[str]) -> list[str]:
        """One text per RGB picture and its prompt, in order; a batch goes through the model together."""

    def texts(self, images: Sequence[Image], prompts: Sequence[str]) -> list[str]:
        """The same for images; a pair that was written about before is remembered."""
        asked = list(zip(images, prompts, strict=True))
        new = [pair for pair in dict.fromkeys(asked) if pair not in self._known]
        found = {pair: text for pair in asked if (text := self._known.get(pair)) is not None}
        if new:
            written = self.write([image.pil() for image, _ in new], [prompt for _, prompt in new])
            found.update(zip(new, written, strict=True))
            self._known.update(found)
            for pair in list(self._known)[:-MEMORY]:
                self._known.pop(pair, None)
        return [found[pair] for pair in asked]


class ModelBackend(Tool):
    """Mixed into a tool, before it: its model is built with it, and shared by all such tools of the process."""

    shared = True

    @staticmethod
    @abstractmethod
    def load(settings: Any) -> ChartModel:
        """The model of these settings; equal settings give the same object."""

    def __init__(self, settings: ToolSettings | None = None) -> None:
        super().__init__(settings)
        self.model = self.load(self.settings)

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """Whether the weights are here."""
        assert isinstance(settings, ModelSettings)
        return settings.missing()

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """The torch device of the settings."""
        assert isinstance(settings, ModelSettings)
        return settings.torch_device()


class ModelTables(ModelBackend):
    """Mixed into a `TableTool`: its tables are written by the model."""

    prompt: ClassVar[str]
    """Asks for the table."""
    row_mark: ClassVar[str] = "\n"
    """What the model puts between rows, besides line breaks."""

    def read_tables(self, images: Sequence[Image]) -> list[ChartTable | ToolInputError]:
        """One table per image; an error where the model wrote none."""
        return [_table(text, self.row_mark) for text in self.model.texts(images, [self.prompt] * len(images))]


class ModelTexts(ModelBackend):
    """Mixed into a tool whose result is a text: the model's own words."""

    key: ClassVar[str]
    """Name of the text in the result's data."""

    @abstractmethod
    def prompt_of(self, arguments: Any) -> str:
        """What the model is asked."""

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The batch goes through the model together."""
        asked: dict[int, tuple[Image, str]] = {}
        for index, call in enumerate(calls):
            arguments = self.arguments.model_validate(dict(call.arguments))
            assert isinstance(arguments, ImageArguments)
            if arguments.image < len(call.images):
                asked[index] = (call.images[arguments.image], self.prompt_of(arguments))
        images, prompts = [image for image, _ in asked.values()], [prompt for _, prompt in asked.values()]
        texts = dict(zip(asked.values(), self.model.texts(images, prompts), strict=True))

        def answer(call: ToolCall) -> ToolResult:
            arguments = self.arguments.model_validate(dict(call.arguments))
            assert isinstance(arguments, ImageArguments)
            text = texts[selected_image(call, arguments), self.prompt_of(arguments)]
            if not text:
                raise ToolInputError("the model says nothing about this image")
            return ToolResult(text, data={self.key: text})

        return run_each(answer, calls)


def serve_tables(backend: type[Any], tools: Sequence[type[TableTool[Any]]]) -> None:
    """Registers `backend`, a `ModelTables`, for each of `tools`."""
    for tool in tools:
        name = f"{backend.__name__}{tool.__name__}"
        namespace = {"__doc__": f"{tool.name} over the tables of {backend.backend}.", "__module__": backend.__module__}
        register_backend(type(name, (backend, tool), namespace))


def _table(text: str, row_mark: str) -> ChartTable | ToolInputError:
    try:
        return parse_linearised(text, row_mark)
    except ToolInputError as error:
        return error
