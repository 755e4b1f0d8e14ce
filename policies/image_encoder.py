"""Images into model inputs: pixel tensors and the number of placeholder tokens, encoded once per image."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoImageProcessor, PretrainedConfig

from policies.vlm_config import VLMConfigError
from tools.errors import ImageError
from tools.image import Image

CACHE_BYTES = 512 * 1024**2
"""Encoded pixels kept in memory; a trajectory's images are needed every turn and again by the learner."""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """Attributes:
    inputs: tensors for the model's forward, concatenated over images along axis 0 (`pixel_values`, for Qwen also
        `image_grid_thw` [1, 3]).
    num_tokens: placeholder tokens that the image takes in the transcript.
    """

    inputs: dict[str, torch.Tensor]
    num_tokens: int


class ImageEncoder:
    """Wraps a transformers image processor (Pillow backend) with a cache by content hash. Thread-safe."""

    def __init__(self, model: str, config: PretrainedConfig, **processor_kwargs: Any) -> None:
        """Args:
        model: model folder or hub id.
        config: the model's configuration, from which the tokens per image follow.
        processor_kwargs: overrides such as `max_pixels` (Qwen) or `max_patches` (InternVL).

        Raises:
            VLMConfigError: an override is no option of this model's processor.
        """
        self._processor = AutoImageProcessor.from_pretrained(model, backend="pil", **processor_kwargs)
        known = self._processor.valid_kwargs.__annotations__
        for key in processor_kwargs:  # transformers ignores what it does not know
            if key not in known:
                raise VLMConfigError(f"vlm_config: image_processor.{key}: expected one of {', '.join(sorted(known))}")
        self._config = config
        self._cache: OrderedDict[str, EncodedImage] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __call__(self, image: Image) -> EncodedImage:
        """Encodes one image. Raises `ImageError` when its pixels are corrupt or its shape is one the model refuses."""
        with self._lock:
            encoded = self._cache.get(image.hash)
            if encoded is not None:
                self._cache.move_to_end(image.hash)
                return encoded
        try:
            features = self._processor(images=[image.pil()], return_tensors="pt")
        except ValueError as error:  # Qwen takes sides in a proportion of 1:200 at most
            raise ImageError(f"image {image.hash[:12]} of {image.size[0]}x{image.size[1]} pixels: {error}") from error
        num_tokens = self._num_tokens(features)
        inputs = {key: features[key] for key in ("pixel_values", "image_grid_thw") if key in features}
        encoded = EncodedImage(inputs, num_tokens)
        with self._lock:
            if image.hash not in self._cache:
                self._cache[image.hash] = encoded
                self._bytes += _nbytes(encoded)
            while self._bytes > CACHE_BYTES and len(self._cache) > 1:
                self._bytes -= _nbytes(self._cache.popitem(last=False)[1])
        return encoded

    def _num_tokens(self, features: Any) -> int:
        """Placeholders of one image: merged patches (Qwen), or tiles times tokens per tile (InternVL)."""
        if "image_grid_thw" in features:
            merge = self._config.vision_config.spatial_merge_size
            return int(features["image_grid_thw"].prod()) // merge**2
        return features["pixel_values"].shape[0] * self._config.image_seq_length


def collate(images: Sequence[EncodedImage], device: torch.device, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Concatenates the inputs of all images of a batch, in row order; empty when there is none."""
    if not images:
        return {}
    keys = images[0].inputs
    batch = {key: torch.cat([image.inputs[key] for image in images]).to(device) for key in keys}
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in batch.items()}


def _nbytes(encoded: EncodedImage) -> int:
    return sum(tensor.nbytes for tensor in encoded.inputs.values())
