"""`Sam2`: the `segment` tool served by SAM 2.1 through transformers, its texts found by Grounding DINO."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tools.detect import Detection
from tools.errors import ToolInputError
from tools.image import Image
from tools.mask import Mask
from tools.model_settings import ModelSettings
from tools.models.grounding_dino import RELEASED, GroundingDino, GroundingDinoSettings
from tools.registry import register_backend
from tools.segment import Prompt, Segment
from tools.tool import ToolSettings

if TYPE_CHECKING:
    import torch

MASK_LOGIT = 10.0
"""A rough mask goes into the model as logits of this size: certain, but not so that nothing can change."""
KEPT_IMAGES = 8
"""Images whose embeddings are kept, so that another point on the same image costs no second look."""


class Sam2Settings(ModelSettings):
    """Which weights, and where they run."""

    model: str = "facebook/sam2.1-hiera-tiny"
    detector: str = RELEASED
    """Grounding DINO's weights, which find what a text names; empty: no texts."""

    def detector_settings(self) -> GroundingDinoSettings | None:
        """The detector's settings; None without one."""
        if not self.detector:
            return None
        same = self.model_dump(include={"device", "dtype"})
        return GroundingDinoSettings.model_validate({"model": self.detector, **same})


@register_backend
class Sam2(Segment):
    """SAM 2.1 (arXiv 2408.00714). A batch's images are embedded together; each prompt is then decoded by itself."""

    backend = "sam2"
    shared = True
    settings_type = Sam2Settings
    settings: Sam2Settings

    def __init__(self, settings: Sam2Settings | None = None) -> None:
        super().__init__(settings)
        from transformers import Sam2Model
        from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

        name = self.settings.model
        # SAM 2 resizes to a square and normalises, as ViT does; SAM 2's own image processor needs torchvision.
        self._images = ViTImageProcessorPil.from_pretrained(name)
        model = Sam2Model.from_pretrained(name, dtype=self.settings.torch_dtype())
        self._model = model.to(self.settings.torch_device()).eval()
        self._side = int(self._images.size["height"])
        self._kept: OrderedDict[str, list[torch.Tensor]] = OrderedDict()
        self._lock = threading.Lock()
        detector = self.settings.detector_settings()
        self._detector = None if detector is None else GroundingDino(detector)

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """Both models' weights must be here."""
        assert isinstance(settings, Sam2Settings)
        detector = settings.detector_settings()
        return settings.missing() or (None if detector is None else detector.missing())

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """The torch device."""
        assert isinstance(settings, Sam2Settings)
        return settings.torch_device()

    def find(self, image: Image, text: str) -> list[Detection]:
        """The objects that a text names, best first."""
        if self._detector is None:
            return super().find(image, text)
        (found,) = self._detector.find([self._detector.search(image, text)])
        return found

    def segment(self, wanted: Sequence[tuple[Image, list[Prompt]]]) -> list[list[Mask] | ToolInputError]:
        """The most probable mask of each prompt."""
        import torch

        with self._lock, torch.inference_mode():
            embeddings = self._embed([image for image, prompts in wanted if prompts])
            return [
                [self._decode(embeddings[image.hash], image, prompt) for prompt in prompts] for image, prompts in wanted
            ]

    def _embed(self, images: Sequence[Image]) -> dict[str, list[torch.Tensor]]:
        """Embeddings by image hash: those that are kept, and the others in one batch."""
        import torch

        new = {image.hash: image for image in images if image.hash not in self._kept}
        found = {image.hash: self._kept[image.hash] for image in images if image.hash in self._kept}
        if new:
            pixels = self._images(images=[image.pil() for image in new.values()], return_tensors="pt")["pixel_values"]
            levels = self._model.get_image_embeddings(pixels.to(self._model.device, self._model.dtype))
            for row, name in enumerate(new):
                found[name] = [torch.clone(level[row : row + 1]) for level in levels]
        for name, levels in found.items():
            self._kept[name] = levels
            self._kept.move_to_end(name)
        while len(self._kept) > KEPT_IMAGES:
            self._kept.popitem(last=False)
        return found

    def _decode(self, embeddings: list[torch.Tensor], image: Image, prompt: Prompt) -> Mask:
        import torch

        width, height = image.size
        device, dtype = self._model.device, self._model.dtype
        scale = torch.tensor([self._side / width, self._side / height], device=device)
        inputs = {}
        if prompt.points:
            inputs["input_points"] = (torch.tensor([[prompt.points]], device=device) * scale).to(dtype)
            inputs["input_labels"] = torch.tensor([[prompt.labels]], dtype=torch.int32, device=device)
        if prompt.box is not None:
            box = torch.tensor([[prompt.box]], device=device) * torch.cat([scale, scale])
            inputs["input_boxes"] = box.to(dtype)
        if prompt.mask is not None:
            mask = torch.from_numpy(prompt.mask.astype(np.float32)).to(device)
            inputs["input_masks"] = ((2 * mask - 1) * MASK_LOGIT).to(dtype)[None, None]
        # A lone point may mean a thing, its part or the whole: three masks, and the best counts. More is unambiguous.
        several = len(prompt.points) == 1 and prompt.box is None and prompt.mask is None
        outputs = self._model(image_embeddings=list(embeddings), multimask_output=several, **inputs)
        scores = outputs.iou_scores[0, 0].float()
        best = int(scores.argmax())
        logits = outputs.pred_masks[0, 0, best].float()[None, None]
        whole = torch.nn.functional.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
        return Mask((whole[0, 0] > 0).cpu().numpy(), min(1.0, max(0.0, float(scores[best]))), prompt.label)
