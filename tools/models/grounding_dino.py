"""`GroundingDino`: the `detect` tool served by Grounding DINO through transformers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tools.detect import Detect, DetectArguments, Detection, caption_phrases, detection_result, suppress
from tools.errors import ErrorCode, ModelError, ToolInputError
from tools.image import Image
from tools.model_settings import ModelSettings
from tools.registry import register_backend
from tools.tool import ToolCall, ToolResult, ToolSettings, selected_image

RELEASED = "IDEA-Research/grounding-dino-tiny"
UNNAMED = "object"
"""The phrase of an object when no word of the caption passes `text_threshold`."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for in one image.

    Attributes:
        image: where.
        text: phrases in lower case, a dot behind each.
        threshold: least score of an object.
        text_threshold: least score of a word of its phrase.
        nms: overlap above which the lesser of two objects of one phrase is left out.
    """

    image: Image
    text: str
    threshold: float
    text_threshold: float
    nms: float


class GroundingDinoSettings(ModelSettings):
    """Which weights, and where they run."""

    model: str = RELEASED


@register_backend
class GroundingDino(Detect):
    """Grounding DINO (arXiv 2303.05499). A batch's images are padded and go through the model together."""

    backend = "grounding_dino"
    shared = True
    settings_type = GroundingDinoSettings
    settings: GroundingDinoSettings

    def __init__(self, settings: GroundingDinoSettings | None = None) -> None:
        super().__init__(settings)
        from transformers import AutoModelForZeroShotObjectDetection, AutoTokenizer, GroundingDinoProcessor
        from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
            GroundingDinoImageProcessorPil,
        )

        name = self.settings.model
        # Pillow's image processor: the same pixels with and without torchvision.
        images = GroundingDinoImageProcessorPil.from_pretrained(name)
        self._processor = GroundingDinoProcessor(images, AutoTokenizer.from_pretrained(name))
        model = AutoModelForZeroShotObjectDetection.from_pretrained(name, dtype=self.settings.torch_dtype())
        self._model = model.to(self.settings.torch_device()).eval()
        self._lock = threading.Lock()

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """The weights must be here."""
        assert isinstance(settings, GroundingDinoSettings)
        return settings.missing()

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """The torch device."""
        assert isinstance(settings, GroundingDinoSettings)
        return settings.torch_device()

    def run(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """One list of objects per call."""
        results: dict[int, ToolResult] = {}
        wanted: dict[int, tuple[Search, int]] = {}
        for position, call in enumerate(calls):
            try:
                arguments = DetectArguments.model_validate(dict(call.arguments))
                limits = arguments.threshold, arguments.text_threshold, arguments.nms
                search = self.search(selected_image(call, arguments), arguments.caption, *limits)
                wanted[position] = (search, arguments.image)
            except ToolInputError as error:
                results[position] = ToolResult(error=ModelError(ErrorCode.ARGUMENT_CONTENT, str(error)))
        found = self.find([search for search, _ in wanted.values()])
        for (position, (search, index)), detections in zip(wanted.items(), found, strict=True):
            results[position] = detection_result(search.image, index, detections)
        return [results[position] for position in range(len(calls))]

    def search(
        self, image: Image, caption: str, threshold: float = 0.35, text_threshold: float = 0.25, nms: float = 0.8
    ) -> Search:
        """What `find` takes.

        Raises:
            ToolInputError: the caption names nothing or has more tokens than the model reads, or nothing would be left
                of the image's shorter side when it is brought to the model's size.
        """
        if max(image.size) / min(image.size) > self._processor.image_processor.size["longest_edge"]:
            raise ToolInputError(f"image of {image.size[0]} x {image.size[1]} pixels: too narrow to look for anything")
        text = ". ".join(caption_phrases(caption)) + "."
        tokens, most = len(self._processor.tokenizer(text)["input_ids"]), self._model.config.max_text_len
        if tokens > most:
            raise ToolInputError(f"the caption has {tokens} tokens, more than {most}: shorten it")
        return Search(image, text, threshold, text_threshold, nms)

    def find(self, searches: Sequence[Search]) -> list[list[Detection]]:
        """The objects in each image, best first."""
        import torch

        if not searches:
            return []
        pictures, texts = [search.image.pil() for search in searches], [search.text for search in searches]
        inputs = self._processor(images=pictures, text=texts, padding=True, return_tensors="pt").to(self._model.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
        with self._lock, torch.inference_mode():
            outputs = self._model(**inputs)
        found = []
        for row, search in enumerate(searches):
            one = SimpleNamespace(
                logits=outputs.logits[row : row + 1].float(), pred_boxes=outputs.pred_boxes[row : row + 1].float()
            )
            (objects,) = self._processor.post_process_grounded_object_detection(
                one,
                inputs["input_ids"][row : row + 1],
                threshold=search.threshold,
                text_threshold=search.text_threshold,
                target_sizes=[search.image.size[::-1]],
            )
            found.append(suppress(self._detections(objects, search.image.size), search.nms))
        return found

    def _detections(self, objects: Mapping[str, Any], size: tuple[int, int]) -> list[Detection]:
        """One image's post-processed objects, cut off at its borders. `size` is width and height."""
        detections = []
        entries = zip(objects["boxes"].tolist(), objects["scores"].tolist(), objects["text_labels"], strict=True)
        for (x1, y1, x2, y2), score, phrase in entries:
            box = max(0.0, x1), max(0.0, y1), min(float(size[0]), x2), min(float(size[1]), y2)
            if box[0] < box[2] and box[1] < box[3]:
                detections.append(Detection(box, score, self._words(phrase)))
        return detections

    def _words(self, phrase: str) -> str:
        """A phrase without the dots and the tokenizer's marks that pass the threshold like words."""
        marks = {".", *self._processor.tokenizer.all_special_tokens}
        return " ".join(word for word in phrase.split() if word not in marks) or UNNAMED
