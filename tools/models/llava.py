"""LLaVA in the llava-hf format (transformers' `LlavaForConditionalGeneration`), for the tools whose model is one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from pydantic import AliasChoices, Field

from tools.errors import ErrorCode, ModelError
from tools.image import Image
from tools.model_settings import ModelSettings
from tools.tool import Arguments, Tool, ToolCall, ToolResult, ToolSettings

IMAGE_TOKEN = "<image>"


class QuestionArguments(Arguments):
    """Arguments of a model that answers a question."""

    question: str = Field(
        validation_alias=AliasChoices("question", "problem", "prompt", "query"), min_length=1, max_length=4000
    )
    image: int | None = Field(0, ge=0, description="index of the image that the question is about; null for none")


class LlavaSettings(ModelSettings):
    """Settings of a LLaVA model."""

    prompt: str = f"USER: {IMAGE_TOKEN}\n{{question}} ASSISTANT:"
    """What the model reads; without an image, the image token and its line break are left out."""
    max_new_tokens: int = Field(512, ge=1)


class LlavaTool(Tool):
    """What the tools with a LLaVA behind them share. Subclasses come before their tool among the bases."""

    shared = True
    settings_type = LlavaSettings
    settings: LlavaSettings

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """Whether the weights are here, and in the format that transformers reads."""
        assert isinstance(settings, LlavaSettings)
        convert = (
            f"{settings.model} is released in the LLaVA-1.x format: convert it where transformers 4 is installed "
            "(python -m transformers.models.llava.convert_llava_weights_to_hf) and set model to the new folder, "
            "or serve it in its own environment (backend remote)"
        )
        missing = settings.missing()
        if missing is not None:
            released = settings.model == cls.settings_type.model_fields["model"].default
            return f"{missing}; {convert}" if released else missing
        return None if _model_type(settings.model) == "llava" else convert

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """Where the model runs."""
        assert isinstance(settings, LlavaSettings)
        return settings.torch_device()

    def __init__(self, settings: LlavaSettings | None = None) -> None:
        """Loads processor and weights."""
        super().__init__(settings)
        from transformers import AutoTokenizer, LlavaForConditionalGeneration, LlavaProcessor
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        name = self.settings.model
        model = LlavaForConditionalGeneration.from_pretrained(name, dtype=self.settings.torch_dtype())
        self._model = model.to(self.settings.torch_device()).eval()
        tokenizer = AutoTokenizer.from_pretrained(name, padding_side="left")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        config = model.config
        self._processor = LlavaProcessor(
            image_processor=CLIPImageProcessorPil.from_pretrained(name),
            tokenizer=tokenizer,
            patch_size=config.vision_config.patch_size,
            vision_feature_select_strategy=config.vision_feature_select_strategy,
            num_additional_image_tokens=1,  # the class token of CLIP, which the strategy `default` drops again
        )

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One answer per call; calls with and without an image go through the model as two batches."""
        results: dict[int, ToolResult] = {}
        asked: dict[int, tuple[str, Image | None]] = {}
        for index, call in enumerate(calls):
            arguments = QuestionArguments.model_validate(dict(call.arguments))
            which = arguments.image
            if which == 0 and not call.images:
                which = None
            if which is not None and which >= len(call.images):
                message = f"there is no image {which}: the images are 0 to {len(call.images) - 1}"
                results[index] = ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, message))
            else:
                asked[index] = (arguments.question, None if which is None else call.images[which])
        for with_image in (True, False):
            batch = {index: item for index, item in asked.items() if (item[1] is not None) == with_image}
            if batch:
                answers = self._answers(list(batch.values()))
                results.update(
                    (index, ToolResult(answer, data={"answer": answer}))
                    for index, answer in zip(batch, answers, strict=True)
                )
        return [results[index] for index in range(len(calls))]

    def _answers(self, batch: Sequence[tuple[str, Image | None]]) -> list[str]:
        import torch

        pictures = [image.pil() for _, image in batch if image is not None]
        texts = [self._prompt(question, image is not None) for question, image in batch]
        inputs = self._processor(images=pictures or None, text=texts, padding=True, return_tensors="pt")
        inputs = inputs.to(self._model.device, self._model.dtype)
        with torch.inference_mode():
            output = self._model.generate(**inputs, max_new_tokens=self.settings.max_new_tokens, do_sample=False)
        new = output[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in self._processor.tokenizer.batch_decode(new, skip_special_tokens=True)]

    def _prompt(self, question: str, with_image: bool) -> str:
        """The prompt. A question cannot smuggle in an image token of its own."""
        prompt = self.settings.prompt if with_image else self.settings.prompt.replace(f"{IMAGE_TOKEN}\n", "")
        return prompt.replace("{question}", question.replace(IMAGE_TOKEN, "").strip())


def _model_type(model: str) -> str:
    """`model_type` of a model's configuration, and `llava_1` for the original LLaVA's, which says `llava` as well."""
    folder = Path(model) / "config.json"
    cached = None if folder.is_file() else try_to_load_from_cache(model, "config.json")
    config = json.loads(Path(cached if isinstance(cached, str) else folder).read_text())
    return "llava_1" if "mm_vision_tower" in config else str(config.get("model_type"))
