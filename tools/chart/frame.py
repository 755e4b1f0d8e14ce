"""`Frame`: a chart's pixels and words, upright or turned so that horizontal bars stand up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

    def to_image(self, box: Box) -> Box:
        """A box of the frame in image coordinates."""
        x1, y1, x2, y2 = box
        return (self.height - y2, x1, self.height - y1, x2) if self.turned else box

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """Every word with its place in the frame. Neighbouring tick labels read as one word are taken apart."""
        return tuple(self._label(part) for word in self.words for part in split_word(word))

    def cut(self, label: Label, parts: Sequence[str]) -> list[Label]:
        """A label taken apart into texts that follow each other in it."""
        text, cut, end = label.text, [], 0
        for part in parts:
            start = text.index(part, end)
            end = start + len(part)
            cut.append(self._label(_part(label.word, text, start / len(text), end / len(text))))
        return cut

    def _label(self, word: Word) -> Label:
        points = [self.to_frame(*point) for point in word.quad]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        start, end = (xs[0] + xs[3]) / 2, (xs[1] + xs[2]) / 2
        box = (min(xs), min(ys), max(xs), max(ys))
        return Label(word, box, (start, (box[0] + box[2]) / 2, end), parse_number(word.text))


_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_RUN_TOGETHER = re.compile(rf"^({_MONTH})(\d)")
_CONFUSIONS = (
    (re.compile(r"\b(?:Us|uS)\b|\bus(?= dollar)"), "US"),
    (re.compile(r"\bl(?=[bcdfghjkmnpqrstvwxz][a-z])|\bl(?=owa\b)"), "I"),
    (re.compile(r"(?<=[a-zA-Z])í(?=[a-z])"), "i"),
)
"""What OCR makes of small print, where no English word is meant: `Us dollars`, `lndia`, `lowa`, `Syría`."""
_TICKS = (
    re.compile(r"(?:1[6-9]|20)\d\d\*?"),
    re.compile(rf"{_MONTH}\.? ?\d{{1,4}}"),
    re.compile(rf"{_MONTH}\.? ?['’]\d\d"),
    re.compile(_MONTH),
    re.compile(r"\d\d:\d\d"),
    re.compile(r"[-$]?\d+(?:\.\d+)?%"),
)


def split_word(word: Word) -> list[Word]:
    """Takes words such as `2010 2011` or `Jun 22 Jun 23` apart, and puts back the space of `Jul1`."""
    text = _RUN_TOGETHER.sub(r"\1 \2", word.text)
    for wrong, right in _CONFUSIONS:
        text = wrong.sub(right, text)
    for tick in _TICKS:
        parts = list(tick.finditer(text))
        if len(parts) > 1 and not tick.sub("", text).strip(" |"):
            return [_part(word, text, part.start() / len(text), part.end() / len(text)) for part in parts]
    return [word if text == word.text else replace(word, text=text)]


def _part(word: Word, text: str, start: float, end: float) -> Word:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = word.quad

    def along(one: float, other: float, share: float) -> float:
        return one + (other - one) * share

    quad = (
        (along(ax, bx, start), along(ay, by, start)),
        (along(ax, bx, end), along(ay, by, end)),
        (along(dx, cx, end), along(dy, cy, end)),
        (along(dx, cx, start), along(dy, cy, start)),
    )
    return Word(text[round(start * len(text)) : round(end * len(text))], quad, word.confidence)
