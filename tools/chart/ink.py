"""Text that a neural detector overlooks: short dark words on a light ground, found as groups of glyph-sized blobs.

Detectors trained on photographs and pages miss single digits and numbers that stand near large flat areas, which is
where charts print their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

Box = tuple[float, float, float, float]

DARK = 150
"""Brightest channel of ink."""
MAX_CHROMA = 48
"""Largest difference between the channels of ink."""
LIGHT = 200
"""Darkest channel of the ground that text stands on."""
GLYPH_HEIGHT = (5, 22)
"""Rows of a glyph, in pixels."""
MAX_GLYPH_WIDTH = 26
GAP = 0.55
"""Glyphs of a word are at most this many heights apart."""
MARGIN = 3
"""Pixels left around a word, as its recogniser wants it."""


def overlooked(pixels: np.ndarray, known: Sequence[Box]) -> Iterable[Box]:
    """Boxes of words that no known box covers, in pixels, top to bottom.

    Args:
        pixels: uint8 [height, width, 3].
        known: boxes of words found before.
    """
    glyphs = [glyph for glyph in _glyphs(pixels) if not any(_covered(glyph, box) for box in known)]
    height, width = pixels.shape[:2]
    for x1, y1, x2, y2 in _words(glyphs):
        box = max(0, x1 - MARGIN), max(0, y1 - MARGIN), min(width, x2 + MARGIN), min(height, y2 + MARGIN)
        if y2 - y1 > GLYPH_HEIGHT[0] and x2 - x1 >= 3 and _on_light_ground(pixels, box):
            yield box


def _on_light_ground(pixels: np.ndarray, box: Box) -> bool:
    """Whether the box's outline is nearly free of colour: the edges of marks are no text."""
    x1, y1, x2, y2 = (int(v) for v in box)
    part = pixels[y1:y2, x1:x2].min(axis=2)
    outline = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    return bool((outline > LIGHT).mean() > 0.85)


def _glyphs(pixels: np.ndarray) -> list[Box]:
    bright, dim = pixels.max(axis=2), pixels.min(axis=2)
    ink = ((bright < DARK) & (bright - dim < MAX_CHROMA)).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    boxes = []
    for x, y, w, h, area in stats[1:count].tolist():
        is_glyph = GLYPH_HEIGHT[0] <= h <= GLYPH_HEIGHT[1] and w <= MAX_GLYPH_WIDTH and area >= 4
        is_dot = w <= 3 and h <= 3
        if (is_glyph and area < 0.93 * w * h + 4) or (is_glyph and w <= 3) or is_dot:
            boxes.append((float(x), float(y), float(x + w), float(y + h)))
    return boxes


def _words(glyphs: Sequence[Box]) -> list[Box]:
    """Joins glyphs that stand beside each other on one line; lone dots are dropped."""
    words: list[Box] = []
    for glyph in sorted(glyphs):
        for index, word in enumerate(words):
            height = max(word[3] - word[1], glyph[3] - glyph[1])
            overlap = min(word[3], glyph[3]) - max(word[1], glyph[1])
            level = overlap >= 0.6 * min(word[3] - word[1], glyph[3] - glyph[1])
            if level and height <= GLYPH_HEIGHT[1] and glyph[0] - word[2] <= GAP * max(height, 8):
                joined = (word[0], min(word[1], glyph[1]), max(word[2], glyph[2]), max(word[3], glyph[3]))
                words[index] = joined
                break
        else:
            words.append(glyph)
    return sorted(words, key=lambda box: (box[1], box[0]))


def _covered(glyph: Box, box: Box) -> bool:
    x, y = (glyph[0] + glyph[2]) / 2, (glyph[1] + glyph[3]) / 2
    return box[0] - 1 <= x <= box[2] + 1 and box[1] - 1 <= y <= box[3] + 1
