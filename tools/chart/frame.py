"""`Frame`: a chart's pixels and words, upright or turned so that horizontal bars stand up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tools.chart.number import Number, parse_number
from tools.chart.text import Word

Box = tuple[float, float, float, float]
"""(x1, y1, x2, y2) in pixels."""


@dataclass(frozen=True)
class Label:
    """A word in frame coordinates.

    Attributes:
        word: the word in image coordinates.
        box: its box in the frame.
        anchors: x of its start, middle and end in reading direction, in the frame.
        number: the number it is, if it is one.
    """

    word: Word
    box: Box
    anchors: tuple[float, float, float]
    number: Number | None

    @property
    def x(self) -> float:
        """Middle of the box."""
        return (self.box[0] + self.box[2]) / 2

    @property
    def y(self) -> float:
        """Middle of the box."""
        return (self.box[1] + self.box[3]) / 2

    @property
    def text(self) -> str:
        """What was recognised."""
        return self.word.text

    @property
    def order(self) -> tuple[float, float]:
        """Sorting key of lines of one label: top to bottom, then left to right, in the image."""
        return (self.word.box[1], self.word.box[0])


@dataclass(frozen=True)
class Frame:
    """A chart seen upright, or turned by 90 degrees counter-clockwise: left becomes bottom, right becomes top.

    Attributes:
        pixels: uint8 [height, width, 3], RGB, already turned.
        words: in image coordinates.
        turned: whether the frame is turned.
    """

    pixels: np.ndarray
    words: tuple[Word, ...]
    turned: bool = False

    @property
    def height(self) -> int:
        """Rows of the frame."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of the frame."""
        return int(self.pixels.shape[1])

    def turn(self) -> Frame:
        """The same chart turned (only an upright frame can be)."""
        return Frame(np.ascontiguousarray(np.rot90(self.pixels)), self.words, turned=True)

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """Image coordinates to frame coordinates."""
        return (y, self.height - x) if self.turned else (x, y)

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """Every word with its place in the frame."""
        return tuple(self._label(word) for word in self.words)

    def _label(self, word: Word) -> Label:
        points = [self.to_frame(*point) for point in word.quad]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        start, end = (xs[0] + xs[3]) / 2, (xs[1] + xs[2]) / 2
        box = (min(xs), min(ys), max(xs), max(ys))
        return Label(word, box, (start, (box[0] + box[2]) / 2, end), parse_number(word.text))
