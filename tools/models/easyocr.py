"""`EasyOcr`: the `ocr` tool read by EasyOCR (github.com/JaidedAI/EasyOCR)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tools.chart.text import Word
from tools.image import Image
from tools.ocr import Ocr
from tools.region import PixelBox
from tools.registry import register_backend
from tools.tool import ToolSettings

_DETECTOR = "craft_mlt_25k.pth"
"""File of the text detector's weights; the recognisers' names depend on the languages."""
_COMMAND = "pip install 'vista-rllib[models]'"


class EasyOcrSettings(ToolSettings):
    """Which languages are read, and where the weights are."""

    languages: tuple[str, ...] = Field(("en", "ch_sim"), min_length=1)
    """EasyOCR's codes of languages that one of its models reads together."""
    folder: str = ""
    """Folder of the weights (`model_storage_directory`); empty: `~/.EasyOCR/model`."""
    download: bool = False
    """Whether weights that are missing may be downloaded when the tool is built."""
    gpu: bool = False
    """Whether it runs on CUDA."""

    def weights(self) -> Path:
        """The folder that holds the weights."""
        return Path(self.folder).expanduser() if self.folder else Path.home() / ".EasyOCR" / "model"


@register_backend
class EasyOcr(Ocr):
    """EasyOCR: the CRAFT detector and a recogniser for the languages that are set."""

    backend = "easyocr"
    shared = True
    settings_type = EasyOcrSettings
    settings: EasyOcrSettings

    def __init__(self, settings: EasyOcrSettings | None = None) -> None:
        super().__init__(settings)
        import easyocr

        self._lock = threading.Lock()
        self._reader = easyocr.Reader(
            list(self.settings.languages),
            gpu=self.settings.gpu,
            model_storage_directory=str(self.settings.weights()),
            download_enabled=self.settings.download,
            verbose=False,
        )

    @classmethod
    def unavailable(cls, settings: ToolSettings) -> str | None:
        """EasyOCR and its own dependency torchvision must be installed, and the weights be there or be allowed."""
        assert isinstance(settings, EasyOcrSettings)
        if absent := [package for package in ("easyocr", "torchvision") if find_spec(package) is None]:
            return f"needs {', '.join(absent)}: {_COMMAND}"
        if not settings.download and not (settings.weights() / _DETECTOR).is_file():
            codes = list(settings.languages)
            return f'no weights in {settings.weights()}: python -c "import easyocr; easyocr.Reader({codes})"'
        return None

    @classmethod
    def device(cls, settings: ToolSettings) -> str:
        """`cuda` when set so."""
        assert isinstance(settings, EasyOcrSettings)
        return "cuda" if settings.gpu else "cpu"

    def words(self, image: Image) -> Sequence[Word]:
        """Every word of an image, in the reader's order."""
        with self._lock:
            return words_of(self._reader.readtext(_bgr(image)))

    def boxes(self, image: Image) -> Sequence[PixelBox]:
        """Boxes around the text of an image, without reading it."""
        with self._lock:
            straight, free = self._reader.detect(_bgr(image))
        return boxes_of(straight[0], free[0])

    def known_languages(self) -> Sequence[str]:
        """The languages that were set."""
        return self.settings.languages


def words_of(found: Iterable[Sequence[Any]]) -> tuple[Word, ...]:
    """Words from `Reader.readtext`'s entries: four corners (x, y) from the top left on, text, confidence.

    The text is taken as it is read: a zero at its end is a zero. Entries without text are left out.
    """
    words = []
    for corners, text, confidence in found:
        first, second, third, fourth = ((float(x), float(y)) for x, y in corners)
        if text.strip():
            words.append(Word(text.strip(), (first, second, third, fourth), float(confidence)))
    return tuple(words)


def boxes_of(straight: Iterable[Sequence[float]], free: Iterable[Sequence[Sequence[float]]]) -> list[PixelBox]:
    """Boxes from `Reader.detect`'s entries of one image, top to bottom.

    Args:
        straight: text that lies level, each x1, x2, y1, y2.
        free: text that does not, each four corners (x, y).
    """
    boxes = [(round(x1), round(y1), round(x2), round(y2)) for x1, x2, y1, y2 in straight]
    for corners in free:
        xs, ys = zip(*corners, strict=True)
        boxes.append((round(min(xs)), round(min(ys)), round(max(xs)), round(max(ys))))
    return sorted(boxes, key=lambda box: (box[1], box[0]))


def _bgr(image: Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image.pil())[:, :, ::-1])
