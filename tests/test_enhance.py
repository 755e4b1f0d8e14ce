"""`enhance`: what each operation does to pixels, and the model that enlarges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from tools.enhance import Enhance, binarise, raise_contrast, remove_noise
from tools.errors import ModelError
from tools.image import Image
from tools.models.swin2sr import Swin2Sr, Swin2SrSettings
from tools.registry import backends_of, select_backend
from tools.tool import Tool, ToolCall, ToolResult


def enhance(image: Image, tool: Tool | None = None, **arguments: object) -> ToolResult:
    return (tool or Enhance()).run([ToolCall("enhance", arguments, (image,))])[0]


def faint() -> PIL.Image.Image:
    """Grey letters on a slightly lighter grey that gets darker to the right."""
    shade = np.tile(np.linspace(200, 120, 300), (120, 1)).astype(np.uint8)
    picture = PIL.Image.fromarray(shade).convert("RGB")
    for x in range(20, 280, 40):
        value = picture.getpixel((x, 5))[0] - 25
        PIL.ImageDraw.Draw(picture).rectangle((x, 40, x + 10, 80), fill=(value, value, value))
    return picture


def test_contrast_is_raised() -> None:
    before = np.asarray(faint()).astype(int)
    after = raise_contrast(before.astype(np.uint8)).astype(int)
    assert before[60, 35, 1] - before[60, 25, 1] < 30
    assert after[60, 35, 1] - after[60, 25, 1] > 1.4 * (before[60, 35, 1] - before[60, 25, 1])


def test_grain_goes_and_edges_stay() -> None:
    clean = np.full((60, 60, 3), 200, dtype=np.uint8)
    clean[:, 30:] = 50
    clean[10, 5:25] = 50  # a line of one pixel
    grain = np.random.default_rng(0).normal(0, 6, clean.shape)
    noisy = np.clip(clean + grain, 0, 255).astype(np.uint8)
    repaired = remove_noise(noisy)
    assert np.abs(repaired.astype(int) - clean).mean() < 0.6 * np.abs(noisy.astype(int) - clean).mean()
    assert repaired[30, 28].min() > 170 and repaired[30, 31].max() < 80 and repaired[10, 15].max() < 100


def test_black_and_white_whatever_the_shade() -> None:
    picture = binarise(np.array(faint()))
    assert set(np.unique(picture)) == {0, 255}
    assert picture[60, 25].tolist() == picture[60, 265].tolist() == [0, 0, 0]
    assert picture[10, 25].tolist() == picture[10, 265].tolist() == [255, 255, 255]


def test_regions_and_enlargement() -> None:
    result = enhance(Image.from_pil(faint()), operation="upscale", factor=3, region=[0, 0, 100, 50])
    assert result.text == "Region [0, 0, 100, 50] of image 0, enlarged 3 times, 300 x 150 pixels."
    assert result.images[0].size == (300, 150) and result.data == {"bbox_2d": [0, 0, 100, 50], "size": [300, 150]}
    assert enhance(Image.from_pil(faint()), operation="binarize").text.startswith("Image 0, black and white, 300 x 120")


def test_too_large_to_enlarge_is_the_policys_error() -> None:
    error = enhance(Image.from_pil(PIL.Image.new("RGB", (1500, 900))), operation="upscale").error
    assert isinstance(error, ModelError) and "3000 x 1800" in error.message


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_model_enlarges_and_the_rest_is_embedded(tiny_upscaler: str, dtype: str) -> None:
    tool = select_backend("enhance", "swin2sr", {"model": tiny_upscaler, "dtype": dtype}).build()
    assert isinstance(tool, Swin2Sr)
    image = Image.from_pil(faint().resize((45, 31)))  # no multiple of the window: the padding is cut off again
    twice, thrice = (enhance(image, tool, operation="upscale", factor=factor) for factor in (2, 3))
    assert (twice.images[0].size, thrice.images[0].size) == ((90, 62), (135, 93))
    assert enhance(image, tool, operation="contrast") == enhance(image, operation="contrast")
    small = Swin2Sr(Swin2SrSettings.model_validate({"model": tiny_upscaler, "max_pixels": 1000}))
    error = enhance(image, small, operation="upscale").error
    assert isinstance(error, ModelError) and "32 x 32" in error.message


def test_without_weights_it_is_unavailable(tmp_path: Path) -> None:
    assert list(backends_of("enhance")) == ["embedded", "swin2sr", "remote"]
    reason = Swin2Sr.unavailable(Swin2SrSettings.model_validate({"model": str(tmp_path)}))
    assert reason is not None and "config.json" in reason
    assert "hf download caidas/swin2SR" in str(Swin2Sr.unavailable(Swin2SrSettings()))
