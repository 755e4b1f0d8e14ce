"""From what the reader works with (labels, legend entries) to the parts of a `ChartScene`."""

from __future__ import annotations

from collections.abc import Sequence

from tools.chart.frame import Label
from tools.chart.legend import LegendEntry
from tools.chart.mark import hexadecimal
from tools.chart.scene import SceneEntry, SceneText


def scene_texts(labels: Sequence[Label]) -> tuple[SceneText, ...]:
    """Labels with their middle in the image."""
    return tuple(SceneText(label.text, *label.word.centre) for label in labels)


def scene_entries(legend: Sequence[LegendEntry]) -> tuple[SceneEntry, ...]:
    """Legend entries with their marker's middle in the image (legends are read in the upright frame)."""
    return tuple(SceneEntry(e.name, hexadecimal(e.colour), e.marker.x, e.marker.y) for e in legend)
