"""`measure`: worked examples."""

from __future__ import annotations

import PIL.Image
import PIL.ImageColor
import PIL.ImageDraw
import pytest

from tools.colour import NAMED, colour_name
from tools.errors import ModelError
from tools.image import Image
from tools.measure import Measure, polygon_area
from tools.tool import ToolCall, ToolResult


def flag() -> Image:
    """200 x 100: 70 % white, 20 % blue, 10 % red."""
    picture = PIL.Image.new("RGB", (200, 100), "white")
    draw = PIL.ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 39, 99), fill=(31, 119, 180))
    draw.rectangle((180, 0, 199, 99), fill=(214, 39, 40))
    return Image.from_pil(picture)


def measure(operation: str, **arguments: object) -> ToolResult:
    return Measure().run([ToolCall("measure", {"operation": operation, **arguments}, (flag(),))])[0]


def test_distance_length_area() -> None:
    assert measure("distance", points=[[10, 10], [13, 14]]).text == "Distance: 5.0 pixels (+3.0 right, +4.0 down)."
    assert measure("length", points=[[0, 0], [3, 4], [3, 14]]).text == "Length: 15.0 pixels in 2 parts."
    area = measure("area", points=[[0, 0], [100, 0], [100, 50], [0, 50]])
    assert area.text == "Area: 5000.0 square pixels, 25.0% of the image."
    assert area.data == {"pixels": 5000.0, "share": 0.25}
    assert polygon_area([(0, 0), (0, 3), (4, 0)]) == 6


def test_colours() -> None:
    at = measure("color", point=[190, 50])
    assert at.text == "Colour at [190, 50]: #d62728 (red)."
    assert at.data == {"point": [190, 50], "rgb": [214, 39, 40], "hex": "#d62728", "name": "red"}
    assert measure("dominant_colors").text == "#ffffff (white) 70.0%\n#1f77b4 (blue) 20.0%\n#d62728 (red) 10.0%"
    assert measure("dominant_colours", count=1).text == "#ffffff (white) 70.0%"
    assert measure("dominant_colours", region=[0, 0, 40, 100]).text == "#1f77b4 (blue) 100.0%"


def test_every_name_names_itself() -> None:
    assert [colour_name(PIL.ImageColor.getrgb(name)) for name in NAMED] == list(NAMED)


@pytest.mark.parametrize(
    ("operation", "points", "message"),
    [
        ("distance", [[1, 1]], "distance needs 2 points, not 1"),
        ("length", [], "at least 2 points"),
        ("area", [[0, 0], [5, 5]], "at least 3 points"),
        ("area", [[0, 0], [5, 5], [9, 9]], "no area"),
        ("colour", [], "colour needs 1 point, not 0"),
        ("colour", [[500, 1]], "outside the image"),
    ],
)
def test_what_cannot_be_measured(operation: str, points: list[list[float]], message: str) -> None:
    error = measure(operation, points=points).error
    assert isinstance(error, ModelError) and message in error.message
