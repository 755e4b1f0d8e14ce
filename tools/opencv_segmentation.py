"""Segmentation without a model: flood fill from points, GrabCut in a box or around a rough mask.

GrabCut: Rother, Kolmogorov and Blake, SIGGRAPH 2004, as OpenCV has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from tools.errors import ToolInputError

FLOOD_SIDE = 1024
"""Pictures are reduced to this many pixels before they are flooded."""
CUT_SIDE = 320
"""The same before GrabCut, whose time grows with the pixels: some tenths of a second at this size."""
TOLERANCE = 8.0
"""How far (CIE Lab of 8 bits, each channel) a pixel may be from its neighbour that already belongs to the region."""
REACH = 24.0
"""How far it may be from the point itself."""
ROUNDS = 4
"""GrabCut's iterations."""


def segment(
    pixels: np.ndarray,
    points: Sequence[tuple[float, float]],
    labels: Sequence[bool],
    box: tuple[int, int, int, int] | None,
    mask: np.ndarray | None,
) -> np.ndarray:
    """The object that is meant.

    Points alone: the region of one colour around those on the object, without the regions of the others. With a box or
    a mask: what differs in colour from its surroundings, the points being certain.

    Args:
        pixels: uint8 [height, width, 3], RGB.
        points: (x, y) in pixels.
        labels: for each point whether it is on the object.
        box: left, top, right, bottom around the object.
        mask: bool [height, width], roughly the object.

    Returns:
        bool [height, width].

    Raises:
        ToolInputError: nothing stands out, or box or mask leave no surroundings to compare with.
    """
    height, width = pixels.shape[:2]
    limit = FLOOD_SIDE if box is None and mask is None else CUT_SIDE
    scale = min(1.0, limit / max(height, width))
    small = pixels
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    ratio = (small.shape[1] / width, small.shape[0] / height)
    seeds = [
        (min(int(x * ratio[0]), small.shape[1] - 1), min(int(y * ratio[1]), small.shape[0] - 1)) for x, y in points
    ]
    if box is None and mask is None:
        found = _flooded(small, seeds, labels)
    else:
        found = _cut(small, seeds, labels, _hints(small.shape, ratio, box, mask))
    if not found.any():
        raise ToolInputError("no object stands out there: point at it more closely")
    whole = cv2.resize(found.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return whole.astype(bool)


def _flooded(pixels: np.ndarray, seeds: Sequence[tuple[int, int]], labels: Sequence[bool]) -> np.ndarray:
    lab = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2LAB)
    regions = [_region(lab, seed) for seed in seeds]
    inside = np.logical_or.reduce([region for region, label in zip(regions, labels, strict=True) if label])
    for region, label in zip(regions, labels, strict=True):
        if not label:
            inside &= ~region
    return inside


def _region(lab: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    """What is connected to `seed` by small steps in colour and not far from it in colour (bool [height, width])."""
    around = np.zeros((lab.shape[0] + 2, lab.shape[1] + 2), dtype=np.uint8)
    far = np.abs(lab.astype(np.int16) - lab[seed[1], seed[0]]).max(axis=2) > REACH
    around[1:-1, 1:-1][far] = 1  # OpenCV does not cross what is marked
    around[seed[1] + 1, seed[0] + 1] = 0
    flags = 4 | (2 << 8) | cv2.FLOODFILL_MASK_ONLY
    cv2.floodFill(lab, around, seed, (0, 0, 0), (TOLERANCE,) * 3, (TOLERANCE,) * 3, flags)
    return around[1:-1, 1:-1] == 2


def _hints(
    shape: tuple[int, ...], ratio: tuple[float, float], box: tuple[int, int, int, int] | None, mask: np.ndarray | None
) -> np.ndarray:
    """GrabCut's hints (uint8 [height, width]): certainly outside the box, probably inside the mask."""
    hints = np.full(shape[:2], cv2.GC_PR_BGD, dtype=np.uint8)
    if mask is not None:
        rough = cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
        hints[rough > 0] = cv2.GC_PR_FGD
    if box is not None:
        left, top = int(box[0] * ratio[0]), int(box[1] * ratio[1])
        right, bottom = int(np.ceil(box[2] * ratio[0])), int(np.ceil(box[3] * ratio[1]))
        outside = np.ones(shape[:2], dtype=bool)
        outside[top:bottom, left:right] = False
        hints[outside] = cv2.GC_BGD
        if mask is None:
            hints[~outside] = cv2.GC_PR_FGD
    return hints


def _cut(pixels: np.ndarray, seeds: Sequence[tuple[int, int]], labels: Sequence[bool], hints: np.ndarray) -> np.ndarray:
    for (x, y), label in zip(seeds, labels, strict=True):
        cv2.circle(hints, (x, y), 2, cv2.GC_FGD if label else cv2.GC_BGD, -1)
    object_hints = (hints == cv2.GC_FGD) | (hints == cv2.GC_PR_FGD)
    if not object_hints.any():
        raise ToolInputError("box and mask have no pixel in common")
    if object_hints.all():
        raise ToolInputError("box or mask cover the whole image: nothing is left to compare with; make it smaller")
    cv2.setRNGSeed(0)  # GrabCut's first guess is random: equal calls must be equal
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    blue_first = np.ascontiguousarray(pixels[:, :, ::-1])
    cv2.grabCut(blue_first, hints, (0, 0, 1, 1), background, foreground, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return _touching((hints == cv2.GC_FGD) | (hints == cv2.GC_PR_FGD), object_hints)


def _touching(found: np.ndarray, hinted: np.ndarray) -> np.ndarray:
    """The connected parts of `found` that touch what was hinted at: things of its colour elsewhere are others."""
    _, parts = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
    return found & np.isin(parts, np.unique(parts[hinted]))
