"""`Pie`: sectors of a pie or ring, by sampling the colours around its centre."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tools.chart.frame import Frame
from tools.chart.mark import Colour, Mark, colour_mask

SAMPLES = 720
"""Directions sampled around the centre."""
MIN_SECTOR = 8
"""Pixels across the smallest sector whose colour is looked for."""
MIN_SHARE = 0.007
"""Smaller runs of colour are edges between sectors."""


@dataclass(frozen=True, slots=True)
class Sector:
    """Attributes:
    colour: its colour.
    angle: direction of its middle in degrees, 0 to the right, counter-clockwise.
    share: part of the circle, in [0, 1].
    """

    colour: Colour
    angle: float
    share: float


@dataclass(frozen=True, slots=True)
class Pie:
    """Attributes:
    x, y: centre in pixels.
    radius: in pixels.
    sectors: counter-clockwise.
    """

    x: float
    y: float
    radius: float
    sectors: tuple[Sector, ...]


def find_pie(frame: Frame, marks: Sequence[Mark]) -> Pie | None:
    """The pie of a chart, None when there is no filled circle with at least two colours."""
    large = [mark for mark in marks if min(mark.width, mark.height) >= MIN_SECTOR and mark.area >= MIN_SECTOR**2 / 2]
    colours = list(dict.fromkeys(mark.colour for mark in large))
    circle = _circle(frame, colours)
    if circle is None:
        return None
    x, y, radius = circle
    angles = np.arange(SAMPLES) * 2 * math.pi / SAMPLES
    votes = np.full((len(colours), SAMPLES), 0)
    for ring in (0.62, 0.7, 0.78, 0.86, 0.93):
        columns = np.clip(np.round(x + ring * radius * np.cos(angles)).astype(int), 0, frame.width - 1)
        rows = np.clip(np.round(y - ring * radius * np.sin(angles)).astype(int), 0, frame.height - 1)
        shown = frame.pixels[rows, columns].astype(int)
        for index, colour in enumerate(colours):
            votes[index] += np.abs(shown - np.array(colour)).max(axis=1) <= 12
    winner = np.where(votes.max(axis=0) > 0, votes.argmax(axis=0), -1)
    sectors = _sectors(winner, colours)
    if len(sectors) < 2 or sum(sector.share for sector in sectors) < 0.9:
        return None
    return Pie(x, y, radius, sectors)


def _circle(frame: Frame, colours: Sequence[Colour]) -> tuple[float, float, float] | None:
    mask: np.ndarray = np.zeros(frame.pixels.shape[:2], dtype=np.uint8)
    for colour in colours:
        mask = mask | cv2.morphologyEx(colour_mask(frame.pixels, colour), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    outline = max(contours, key=cv2.contourArea)
    (x, y), radius = cv2.minEnclosingCircle(outline)
    area = cv2.contourArea(cv2.convexHull(outline))
    if radius < 0.12 * min(frame.width, frame.height) or area < 0.9 * math.pi * radius * radius:
        return None
    return float(x), float(y), float(radius)


def _sectors(winner: np.ndarray, colours: Sequence[Colour]) -> tuple[Sector, ...]:
    known = np.flatnonzero(winner >= 0)
    if not known.size:
        return ()
    nearest = known[np.abs(known[None, :] - np.arange(winner.size)[:, None]).argmin(axis=1)]
    ring = winner[nearest]
    starts = np.flatnonzero(ring != np.roll(ring, 1))
    if starts.size < 2:
        return ()
    sectors = []
    for start, end in zip(starts, [*starts[1:], starts[0] + ring.size], strict=True):
        share = (end - start) / ring.size
        if share >= MIN_SHARE:
            middle = (start + end) / 2 * 360 / ring.size % 360
            sectors.append(Sector(colours[int(ring[start])], float(middle), float(share)))
    return tuple(sectors)
