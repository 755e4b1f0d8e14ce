"""DePlot (arXiv 2212.10505): a Pix2Struct that writes the table under a chart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from huggingface_hub import try_to_load_from_cache
from pydantic import Field

from tools.model_settings import ModelSettings
from tools.models.chart_reader import TABLE_TOOLS, ChartModel, ModelTables, serve_tables

PROMPT = "Generate underlying data table of the figure below:"
"""What the released weights were trained with; the processor draws it above the chart."""
FONT = ("ybelkada/fonts", "Arial.TTF")
"""Hub repository and file of the font that the released weights know the prompt in."""


class DeplotSettings(ModelSettings):
    """Settings of the `deplot` backends."""

    model: str = "google/deplot"
    font: str = ""
    """Font file that the prompt is drawn with; empty: the released one."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest table, in tokens."""

    def missing(self, *packages: str) -> str | None:
        """Also whether the font is here."""
        if self.font and not Path(self.font).is_file():
            return f"{self.font}: no such font file"
        fetch = "" if self.font or isinstance(try_to_load_from_cache(*FONT), str) else f"hf download {' '.join(FONT)}"
        reason = super().missing(*packages)
        if fetch and reason:
            return f"{reason} && {fetch}"
        return f"the font that its prompt is drawn with is not here: {fetch}" if fetch else reason


class Deplot(ModelTables):
    """Tables written by DePlot."""

    backend = "deplot"
    settings_type = DeplotSettings
    prompt = PROMPT

    @staticmethod
    def load(settings: Any) -> ChartModel:
        """One model per settings."""
        return _load(settings)


class Pix2StructWriter(ChartModel):
    """The loaded model and its processor."""

    def __init__(self, settings: DeplotSettings) -> None:
        from transformers import Pix2StructForConditionalGeneration, Pix2StructProcessor

        super().__init__()
        self._settings = settings
        self._font = settings.font or str(try_to_load_from_cache(*FONT))
        self._processor = Pix2StructProcessor.from_pretrained(settings.model, backend="pil")
        model = Pix2StructForConditionalGeneration.from_pretrained(settings.model, dtype=settings.torch_dtype())
        self._model = model.to(settings.torch_device()).eval()

    def write(self, pictures: Sequence[PIL.Image.Image], prompts: Sequence[str]) -> list[str]:
        """Greedy, as the released example does it."""
        import torch

        draw = self._processor.image_processor  # in two steps: called at once it always fetches the font from the hub
        headed = [
            draw.render_header(np.asarray(picture).transpose(2, 0, 1), prompt, font_path=self._font)
            for picture, prompt in zip(pictures, prompts, strict=True)
        ]
        inputs = draw(headed, is_vqa=False, input_data_format="channels_first", return_tensors="pt")
        inputs = inputs.to(self._model.device)
        inputs["flattened_patches"] = inputs["flattened_patches"].to(self._model.dtype)
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, max_new_tokens=self._settings.max_new_tokens)
        return [text.strip() for text in self._processor.batch_decode(tokens, skip_special_tokens=True)]


@lru_cache(maxsize=1)
def _load(settings: DeplotSettings) -> Pix2StructWriter:
    return Pix2StructWriter(settings)


serve_tables(Deplot, TABLE_TOOLS)
