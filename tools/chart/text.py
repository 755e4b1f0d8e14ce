"""`Word`: one piece of text found in a picture, and `read_words`, the OCR shared by every tool of the process.

RapidOCR (its wheel carries the PP-OCR weights) is built once per process, on first use, offline and silent. Detection
and recognition are called separately, for three reasons: the recogniser pads every crop to its batch's widest, which
costs more than half of the time on charts (many short labels), the text-direction classifier is not needed, and
upright text that reads upwards (axis titles, rotated tick labels) is turned the right way round, not upside down.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tools.chart.ink import overlooked
from tools.image import Image

if TYPE_CHECKING:
    from rapidocr import RapidOCR

Point = tuple[float, float]
Pixels = np.ndarray
"""uint8 [height, width, 3]; BGR, as OpenCV and the OCR weights want it."""

MIN_CONFIDENCE = 0.4
"""Recognitions below this are noise (icons, textures)."""
OVERLOOKED_CONFIDENCE = 0.7
"""Words found by their ink alone must be read with at least this confidence."""
UPRIGHT_RATIO = 1.4
"""Crops taller than this many times their width may hold text that reads upwards."""
LINE_HEIGHT = 48
"""Rows of the recogniser's input."""
MIN_HEIGHT = 5
"""Nothing lower than this many pixels can be read. The engine would enlarge such a strip beyond all measure."""
MAX_ASPECT = 120
"""No line of text is wider than this many times its height: about 200 letters."""
SMALL_SIDE = 300
"""Pictures whose shorter side is below this many pixels are enlarged before detection."""
MAX_RATIO = 30
"""Pictures whose sides differ by more than this factor are filled up with white before detection."""

_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Word:
    """One detection: a label, a number, a line of text.

    Attributes:
        text: what was recognised, stripped.
        quad: corners in pixels: top left, top right, bottom right, bottom left in reading direction.
        confidence: the recogniser's, in [0, 1].
    """

    text: str
    quad: tuple[Point, Point, Point, Point]
    confidence: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(x1, y1, x2, y2): the axis-parallel box around the quad, in pixels."""
        xs, ys = zip(*self.quad, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def centre(self) -> Point:
        """Middle of the box."""
        x1, y1, x2, y2 = self.box
        return (x1 + x2) / 2, (y1 + y2) / 2

    @property
    def line_height(self) -> float:
        """Height of the text line in pixels, whatever its direction."""
        return math.dist(self.quad[0], self.quad[3])

    @property
    def angle(self) -> float:
        """Reading direction in degrees: 0 is left to right, 90 is bottom to top."""
        (x0, y0), (x1, y1) = self.quad[0], self.quad[1]
        return math.degrees(math.atan2(y0 - y1, x1 - x0))


@lru_cache(maxsize=1)
def _engine() -> RapidOCR:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.text_score": 0.0,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.limit_side_len": 32,
            "Rec.rec_img_shape": [3, 48, 96],
        }
    )


def detect(pixels: Pixels) -> list[np.ndarray]:
    """Quads (float32 [4, 2], pixels) of the text in a picture, in reading order."""
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_HEIGHT:
        return []
    scale = 2.0 if min(height, width) < SMALL_SIDE else 1.0
    if scale != 1.0:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    pixels = _squarer(pixels)
    with _lock:
        found = _engine()(pixels, use_det=True, use_cls=False, use_rec=False)
    if found.boxes is None:
        return []
    return [np.asarray(quad, dtype=np.float32) / scale for quad in found.boxes]


def _squarer(pixels: Pixels) -> Pixels:
    """The picture with white added at its right or bottom: the engine refuses very long and narrow ones."""
    height, width = pixels.shape[:2]
    shortest = -(-max(height, width) // MAX_RATIO)
    if min(height, width) >= shortest:
        return pixels
    below, beside = max(0, shortest - height), max(0, shortest - width)
    return cv2.copyMakeBorder(pixels, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def recognize(crop: Pixels) -> tuple[str, float]:
    """Text and confidence of a crop that holds one line of horizontal text.

    The crop is brought to the recogniser's height in one step: its own two steps blur narrow letters away.
    """
    if crop.shape[1] > MAX_ASPECT * crop.shape[0]:
        return "", 0.0
    width = max(8, round(crop.shape[1] * LINE_HEIGHT / crop.shape[0]))
    crop = cv2.resize(crop, (width, LINE_HEIGHT), interpolation=cv2.INTER_LINEAR)
    with _lock:
        found = _engine()(crop, use_det=False, use_cls=False, use_rec=True)
    if not found.txts:
        return "", 0.0
    return found.txts[0].strip(), float(found.scores[0])


@lru_cache(maxsize=1024)
def read_words(image: Image) -> tuple[Word, ...]:
    """Every word of an image in reading order; cached per process by the image's hash.

    Raises:
        ImageError: the picture's pixels are corrupt.
    """
    return tuple(find_words(np.ascontiguousarray(np.asarray(image.pil())[:, :, ::-1])))


def find_words(pixels: Pixels) -> Iterable[Word]:
    """Detects and recognises the words of a picture: those of the detector, then those it overlooked."""
    words = [word for quad in detect(pixels) if (word := _word(pixels, quad))]
    yield from words
    yield from find_overlooked(pixels, words)


def find_overlooked(pixels: Pixels, words: Sequence[Word]) -> Iterable[Word]:
    """Short dark words that are not among `words`."""
    for x1, y1, x2, y2 in overlooked(pixels, [word.box for word in words]):
        text, confidence = recognize(np.ascontiguousarray(pixels[int(y1) : int(y2), int(x1) : int(x2)]))
        if confidence >= OVERLOOKED_CONFIDENCE and text.isascii() and any(c.isalnum() for c in text):
            yield Word(text, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)), round(confidence, 4))


def _word(pixels: Pixels, quad: np.ndarray) -> Word | None:
    crop = _cut(pixels, quad)
    text, confidence = recognize(crop)
    if crop.shape[0] >= UPRIGHT_RATIO * crop.shape[1]:
        upright_text, upright_confidence = recognize(np.ascontiguousarray(np.rot90(crop, -1)))
        if upright_confidence > confidence or len(upright_text) > len(text) + 1:
            text, confidence, quad = upright_text, upright_confidence, quad[[3, 0, 1, 2]]
    if not text or confidence < MIN_CONFIDENCE:
        return None
    top_left, top_right, bottom_right, bottom_left = ((float(x), float(y)) for x, y in quad)
    return Word(text, (top_left, top_right, bottom_right, bottom_left), round(confidence, 4))


def _cut(pixels: Pixels, quad: np.ndarray) -> Pixels:
    """The quad's content as an upright rectangle."""
    width = max(1, round(max(math.dist(quad[0], quad[1]), math.dist(quad[3], quad[2]))))
    height = max(1, round(max(math.dist(quad[0], quad[3]), math.dist(quad[1], quad[2]))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(quad, target)
    return cv2.warpPerspective(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
