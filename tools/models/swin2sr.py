"""`Swin2Sr`: the `enhance` tool with Swin2SR's super-resolution through transformers."""

from __future__ import annotations

import threading

import numpy as np
import PIL.Image
from pydantic import Field

from tools.enhance import Enhance
from tools.errors import ToolInputError
from tools.model_settings import ModelSettings
from tools.registry import register_backend
from tools.tool import ToolSettings


class Swin2SrSettings(ModelSettings):
    """Which weights, where they run, and how much they are given."""

    model: str = "caidas/swin2SR-classical-sr-x2-64"
    max_pixels: int = Field(512 * 512, gt=0)
    """Larger regions are refused: the model takes seconds for each such picture on a CPU."""


@register_backend
class Swin2Sr(Enhance):
    """Swin2SR (arXiv 2209.11345) enlarges; the other operations are OpenCV's."""

    backend = "swin2sr"
    shared = True
    settings_type = Swin2SrSettings
    settings: Swin2SrSettings

    def __init__(self, settings: Swin2SrSettings | None = None) -> None:
        super().__init__(settings)
        from transformers import Swin2SRForImageSuperResolution
        from transformers.models.swin2sr.image_processing_pil_swin2sr import Swin2SRImageProcessorPil

        name = self.settings.model
        self._images = Swin2SRImageProcessorPil.from_pretrained(name)
        model = Swin2SRForImageSuperResolution.from_pretrained(name, dtype=self.settings.torch_dtype())
        self._model = model.to(self.settings.torch_device()).eval()
        self._lock = threading.Lock()

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """The weights must be here."""
        assert isinstance(settings, Swin2SrSettings)
        return settings.missing()

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """The torch device."""
        assert isinstance(settings, Swin2SrSettings)
        return settings.torch_device()

    def upscale(self, picture: PIL.Image.Image, factor: int) -> PIL.Image.Image:
        """The picture enlarged by the model's own factor, then brought to `factor` times its size."""
        import torch

        if picture.width * picture.height > self.settings.max_pixels:
            most = round(self.settings.max_pixels**0.5)
            raise ToolInputError(f"too large to upscale: give a region of at most about {most} x {most} pixels")
        pixels = self._images(images=picture, return_tensors="pt")["pixel_values"]
        with self._lock, torch.inference_mode():
            made = self._model(pixels.to(self._model.device, self._model.dtype)).reconstruction
        own = int(self._model.config.upscale)
        made = made[0, :, : picture.height * own, : picture.width * own].float().clamp(0, 1).mul(255).round()
        large = PIL.Image.fromarray(made.permute(1, 2, 0).to(torch.uint8).cpu().numpy().astype(np.uint8))
        size = (picture.width * factor, picture.height * factor)
        return large if large.size == size else large.resize(size, PIL.Image.Resampling.LANCZOS)
