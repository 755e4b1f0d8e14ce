"""UniChart (arXiv 2305.14761): a Donut pretrained on charts that writes tables, summaries and answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import PIL.Image
from pydantic import Field

from tools.chart_answer import ChartAnswer, ChartAnswerArguments
from tools.chart_caption import ChartCaption
from tools.chart_summarize import ChartSummarize
from tools.model_settings import ModelSettings
from tools.models.chart_reader import (
    TABLE_TOOLS,
    ChartModel,
    ModelBackend,
    ModelTables,
    ModelTexts,
    serve_tables,
)
from tools.registry import register_backend
from tools.tool import ImageArguments

START = "<s_answer>"
"""Ends the prompt; the model's text follows it."""
TABLE, SUMMARY, QUESTION = "<extract_data_table>", "<summarize_chart>", "<chartqa>"
"""The tasks that the released weights know."""


class UnichartSettings(ModelSettings):
    """Settings of the `unichart` backends."""

    model: str = "ahmed-masry/unichart-base-960"
    num_beams: int = Field(4, ge=1)
    """Width of the beam search."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest text, in tokens; less where the decoder has fewer positions."""


class UnichartAnswerSettings(UnichartSettings):
    """The weights that were finetuned for questions."""

    model: str = "ahmed-masry/unichart-chartqa-960"


class Unichart(ModelBackend):
    """What all `unichart` backends share."""

    backend = "unichart"
    settings_type = UnichartSettings

    @staticmethod
    def load(settings: Any) -> ChartModel:
        """One model per settings."""
        return _load(settings)


class UnichartTables(Unichart, ModelTables):
    """Tables written by UniChart."""

    prompt = f"{TABLE} {START}"
    row_mark = "&"


class UnichartSummaries(Unichart, ModelTexts):
    """Summaries written by UniChart."""

    def prompt_of(self, arguments: ImageArguments) -> str:
        """The same for every chart."""
        return f"{SUMMARY} {START}"


@register_backend
class UnichartCaption(UnichartSummaries, ChartCaption):
    """UniChart's summary as a caption."""

    key = "caption"


@register_backend
class UnichartSummarize(UnichartSummaries, ChartSummarize):
    """UniChart's summary. Data: `{"summary": text}`."""

    key = "summary"


@register_backend
class UnichartAnswer(Unichart, ModelTexts, ChartAnswer):
    """UniChart's answer to a question."""

    settings_type = UnichartAnswerSettings
    key = "answer"

    def prompt_of(self, arguments: ChartAnswerArguments) -> str:
        """The question between the task and the start of the answer; what looks like a task's mark is taken out."""
        question = arguments.question
        for mark in (START, TABLE, SUMMARY, QUESTION):
            question = question.replace(mark, " ")
        return f"{QUESTION} {' '.join(question.split())} {START}"


class DonutWriter(ChartModel):
    """The loaded model and its processor."""

    def __init__(self, settings: UnichartSettings) -> None:
        from transformers import DonutProcessor, VisionEncoderDecoderModel

        super().__init__()
        self._settings = settings
        self._processor = DonutProcessor.from_pretrained(settings.model, backend="pil")
        model = VisionEncoderDecoderModel.from_pretrained(settings.model, dtype=settings.torch_dtype())
        self._model = model.to(settings.torch_device()).eval()

    def write(self, pictures: Sequence[PIL.Image.Image], prompts: Sequence[str]) -> list[str]:
        """Pairs whose prompts are equally long go through together: the decoder takes no padding before a prompt."""
        encode = self._processor.tokenizer
        tokens = [tuple(encode(prompt, add_special_tokens=False).input_ids) for prompt in prompts]
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for index, prompt in enumerate(tokens):
            by_length[len(prompt)].append(index)
        texts: dict[int, str] = {}
        for indices in by_length.values():
            written = self._generate([pictures[i] for i in indices], [tokens[i] for i in indices])
            texts.update(zip(indices, written, strict=True))
        return [texts[index] for index in range(len(prompts))]

    def _generate(self, pictures: list[PIL.Image.Image], prompts: list[tuple[int, ...]]) -> list[str]:
        import torch

        words, model = self._processor.tokenizer, self._model
        pixels = self._processor(images=pictures, return_tensors="pt").pixel_values.to(model.device, model.dtype)
        room = model.config.decoder.max_position_embeddings - len(prompts[0])
        with torch.inference_mode():
            tokens = model.generate(
                pixel_values=pixels,
                decoder_input_ids=torch.tensor(prompts, device=model.device),
                max_new_tokens=max(1, min(room, self._settings.max_new_tokens)),
                num_beams=self._settings.num_beams,
                early_stopping=self._settings.num_beams > 1,
                pad_token_id=words.pad_token_id,
                eos_token_id=words.eos_token_id,
                bad_words_ids=[[words.unk_token_id]],
            )
        written = words.batch_decode(tokens)
        return [_cleaned(text, words.eos_token, words.pad_token) for text in written]


def _cleaned(text: str, *marks: str) -> str:
    """What follows the start of the answer, without the tokenizer's marks."""
    text = text.partition(START)[2]
    for mark in marks:
        text = text.replace(mark, "")
    return text.strip()


@lru_cache(maxsize=2)
def _load(settings: UnichartSettings) -> DonutWriter:
    return DonutWriter(settings)


serve_tables(UnichartTables, [tool for tool in TABLE_TOOLS if tool not in (ChartCaption, ChartSummarize)])
