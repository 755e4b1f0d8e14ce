"""ChartMoE (arXiv 2409.03277): an InternLM-XComposer2 for charts, whose code transformers loads from the hub.

That code runs with an old transformers only, so it hardly ever runs beside this project: a tool service serves it from
an environment of its own, and everyone else asks the service (`remote`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import PIL.Image
from pydantic import Field

from tools.chart_answer import ChartAnswer, ChartAnswerArguments
from tools.chart_caption import ChartCaption
from tools.chart_summarize import ChartSummarize
from tools.model_settings import ModelSettings
from tools.models.chart_reader import TABLE_TOOLS, ChartModel, ModelBackend, ModelTables, ModelTexts, serve_tables
from tools.registry import register_backend
from tools.tool import ImageArguments

REQUIRES = ("transformers==4.53.2", "torch==2.8.0", "sentencepiece", "einops", "timm")
"""What the released code needs; the versions are those that it is known to have run with."""
IMAGE = "<ImageHere>"
"""Where the picture stands in a question."""
SIDE = 490
"""Pixels of the square that the picture is brought to."""
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""CLIP's normalisation of RGB in [0, 1] (arXiv 2103.00020)."""


class ChartmoeSettings(ModelSettings):
    """Settings of the `chartmoe` backends."""

    model: str = "IDEA-FinAI/chartmoe"
    trust_remote_code: bool = False
    """Whether to run the code that comes with the weights; without it nothing is loaded."""
    revision: str = "main"
    """Which commit of the weights and of their code."""
    transformers: str = "4.53.2"
    """Version of transformers that this code runs with, or the version's beginning."""
    max_new_tokens: int = Field(1000, ge=1)
    """Longest text, in tokens."""

    def missing(self, *packages: str) -> str | None:
        """Also whether its code may run, and can."""
        here = version("transformers")
        if not here.startswith(self.transformers):
            return (
                f"its code needs transformers {self.transformers}, here is {here}: let a tool service (`vista tools "
                f"serve`) run it in an environment of its own, pip install {' '.join(REQUIRES)}, and ask it by `remote`"
            )
        if not self.trust_remote_code:
            return "it runs code that comes with its weights: set trust_remote_code=true if you trust it"
        return super().missing(*packages)


class Chartmoe(ModelBackend):
    """What all `chartmoe` backends share."""

    backend = "chartmoe"
    settings_type = ChartmoeSettings

    @staticmethod
    def load(settings: Any) -> ChartModel:
        """One model per settings."""
        return _load(settings)


class ChartmoeTables(Chartmoe, ModelTables):
    """Tables written by ChartMoE."""

    prompt = "Extract the data of this chart as a table: a header, then one line per label, with cells separated by |."


@register_backend
class ChartmoeCaption(Chartmoe, ModelTexts, ChartCaption):
    """ChartMoE's caption."""

    key = "caption"

    def prompt_of(self, arguments: ImageArguments) -> str:
        """The same for every chart."""
        return "Write a caption for this chart in two or three sentences, and name the colours of its series."


@register_backend
class ChartmoeSummarize(Chartmoe, ModelTexts, ChartSummarize):
    """ChartMoE's summary. Data: `{"summary": text}`."""

    key = "summary"

    def prompt_of(self, arguments: ImageArguments) -> str:
        """The same for every chart."""
        return "Summarize what this chart shows, with its most important numbers."


@register_backend
class ChartmoeAnswer(Chartmoe, ModelTexts, ChartAnswer):
    """ChartMoE's answer to a question."""

    key = "answer"

    def prompt_of(self, arguments: ChartAnswerArguments) -> str:
        """The question; a second picture mark would ask for a second picture."""
        return arguments.question.replace(IMAGE, " ").strip()


class ChartmoeWriter(ChartModel):
    """The loaded model and its tokenizer."""

    def __init__(self, settings: ChartmoeSettings) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        super().__init__()
        self._settings = settings
        source: dict[str, Any] = {"trust_remote_code": settings.trust_remote_code, "revision": settings.revision}
        self._tokenizer = AutoTokenizer.from_pretrained(settings.model, **source)
        model = AutoModelForCausalLM.from_pretrained(settings.model, torch_dtype=settings.torch_dtype(), **source)
        self._model = model.to(settings.torch_device()).eval()
        self._model.tokenizer = self._tokenizer  # its own code looks for it there

    def write(self, pictures: Sequence[PIL.Image.Image], prompts: Sequence[str]) -> list[str]:
        """One conversation after the other: its `chat` takes one picture. Nothing is sampled."""
        import torch

        texts = []
        for picture, prompt in zip(pictures, prompts, strict=True):
            pixels = torch.from_numpy(square(picture)[None]).to(self._model.device, self._model.dtype)
            with torch.inference_mode():
                text, _ = self._model.chat(
                    tokenizer=self._tokenizer,
                    query=f"{IMAGE}{prompt}",
                    image=pixels,
                    history=[],
                    do_sample=False,
                    max_new_tokens=self._settings.max_new_tokens,
                )
            texts.append(text.strip())
        return texts


def square(picture: PIL.Image.Image) -> np.ndarray:
    """float32 [3, SIDE, SIDE]: an RGB picture brought to the model's square and normalised."""
    small = picture.resize((SIDE, SIDE), PIL.Image.Resampling.BICUBIC)
    scaled = (np.asarray(small, dtype=np.float32) / 255 - np.array(MEAN)) / np.array(STD)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1), dtype=np.float32)


@lru_cache(maxsize=1)
def _load(settings: ChartmoeSettings) -> ChartmoeWriter:
    return ChartmoeWriter(settings)


serve_tables(ChartmoeTables, [tool for tool in TABLE_TOOLS if tool not in (ChartCaption, ChartSummarize)])
