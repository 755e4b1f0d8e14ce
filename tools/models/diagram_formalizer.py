"""DiagramFormalizer (NaughtyDog97/DiagramFormalizer) behind `diagram_formalize`.

The model's own code comes with its weights and was written for transformers 4.40: where a newer one is installed, the
tool says so, and a tool service with its own environment is the way to run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from pydantic import Field

from tools.diagram_formalize import DiagramFormalize, DiagramFormalizeArguments, formalized
from tools.model_settings import ModelSettings
from tools.registry import register_backend
from tools.tool import ToolCall, ToolResult, ToolSettings, run_each, selected_image

SUPPORTED = (4, 40)
"""Newest release of transformers whose interfaces the model's code uses (its authors pin 4.40.0)."""
IMAGE_TOKEN = -200
"""Stands for the picture in the prompt; the model's code replaces it."""
PROMPT = (
    "Based on the image, first describe what you see in the figure, then predict the construction_cdl and image_cdl "
    "and calibrate it."
)
"""The instruction that the model was trained with."""


class DiagramFormalizerSettings(ModelSettings):
    """Settings of the model."""

    model: str = "NaughtyDog97/DiagramFormalizer"
    max_new_tokens: int = Field(3500, ge=1)


@register_backend
class DiagramFormalizer(DiagramFormalize):
    """The released model, one picture at a time (its code serves no batches)."""

    backend = "diagram_formalizer"
    shared = True
    settings_type = DiagramFormalizerSettings
    settings: DiagramFormalizerSettings

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """The weights, and a transformers that its code runs with."""
        assert isinstance(settings, DiagramFormalizerSettings)
        installed = version("transformers")
        if tuple(int(part) for part in installed.split(".")[:2]) > SUPPORTED:
            return (
                f"the model's own code needs transformers 4.40.0, here is {installed}: run it in an environment of its "
                "own (pip install torch==2.4.0 transformers==4.40.0) behind a tool service, and set backend to remote"
            )
        return settings.missing()

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """Where the model runs."""
        assert isinstance(settings, DiagramFormalizerSettings)
        return settings.torch_device()

    def __init__(self, settings: DiagramFormalizerSettings | None = None) -> None:
        """Loads the weights and the code that comes with them."""
        super().__init__(settings)
        from transformers import AutoModelForCausalLM, AutoTokenizer

        name = self.settings.model
        self._tokenizer = AutoTokenizer.from_pretrained(
            name, use_fast=True, padding_side="right", trust_remote_code=True
        )
        model = AutoModelForCausalLM.from_pretrained(
            name, torch_dtype=self.settings.torch_dtype(), trust_remote_code=True
        )
        self._model = model.to(self.settings.torch_device()).eval()

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The formulas under the headings of the model's answer."""
        return run_each(self._formalize, calls)

    def _formalize(self, call: ToolCall) -> ToolResult:
        import torch

        arguments = DiagramFormalizeArguments.model_validate(dict(call.arguments))
        picture = selected_image(call, arguments).pil()
        device = self.settings.torch_device()
        before, after = self._prompt(arguments.problem).split("<image>")
        ids = [
            *self._tokenizer(before).input_ids,
            IMAGE_TOKEN,
            *self._tokenizer(after, add_special_tokens=False).input_ids,
        ]
        pixels = self._model.process_images([picture], self._model.config).to(device, dtype=self._model.dtype)
        with torch.inference_mode():
            output = self._model.generate(
                torch.tensor([ids], device=device),
                images=pixels,
                max_new_tokens=self.settings.max_new_tokens,
                do_sample=False,
                use_cache=True,
            )
        return formalized(self._tokenizer.decode(output[0][len(ids) :], skip_special_tokens=True))

    @staticmethod
    def _prompt(problem: str) -> str:
        question = f"{problem.strip()}\n{PROMPT}" if problem.strip() else PROMPT
        return (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            f"<|im_start|>user\n<image>\n{question}<|im_end|>\n<|im_start|>assistant\n"
        )
