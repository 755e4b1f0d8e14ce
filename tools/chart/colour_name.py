"""Colours by name, as people call them."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

_NAMED = {
    "black": "#000000", "dark grey": "#505050", "grey": "#909090", "light grey": "#c8c8c8", "white": "#ffffff",
    "red": "#d62728", "dark red": "#8b1a1a", "pink": "#f49ac1", "orange": "#f58220", "brown": "#8c564b",
    "beige": "#e8d5b0", "yellow": "#f5d327", "olive": "#8a8a22", "green": "#2ca02c", "dark green": "#14532d",
    "light green": "#98d98e", "teal": "#1f8a8a", "cyan": "#30c8dc", "blue": "#2f74d0", "dark blue": "#14306a",
    "light blue": "#9ac4ea", "purple": "#7b4ab0", "light purple": "#c4aee0", "magenta": "#c2279a",
}  # fmt: skip
"""One typical colour per name."""
_ALSO = {"#0f2440": "dark blue", "#3a0d0d": "dark red", "#c9d8f0": "light blue"}
"""Colours that lie nearer to a grey, but are not called so."""


@lru_cache(maxsize=1024)
def colour_name(colour: str) -> str:
    """The name whose typical colour lies nearest in CIE L*a*b* to a `#rrggbb`."""
    names = [*_NAMED, *_ALSO.values()]
    lab = _lab([colour, *_NAMED.values(), *_ALSO])
    return names[int(np.linalg.norm(lab[1:] - lab[0], axis=1).argmin())]


def _lab(colours: list[str]) -> np.ndarray:
    """float32 [colours, 3]: L* in 0 to 100, a* and b* in about -100 to 100."""
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], dtype=np.float32) / 255
    return np.asarray(cv2.cvtColor(rgb[None], cv2.COLOR_RGB2LAB)[0])
