"""`mark` and `rotate`: what is drawn where, and how pictures are turned."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageColor
import pytest

from tools.drawing import COLOURS, GRID_COLOUR, MAX_SIDE, Drawing, fitted
from tools.errors import ModelError
from tools.image import Image
from tools.mark import Mark
from tools.rotate import Rotate
from tools.tool import ToolCall, ToolResult

WHITE = (255, 255, 255)


def colour(index: int) -> tuple[int, ...]:
    return PIL.ImageColor.getrgb(COLOURS[index])


def page(width: int = 300, height: int = 200) -> Image:
    return Image.from_pil(PIL.Image.new("RGB", (width, height), "white"))


def mark(image: Image | None = None, **arguments: object) -> ToolResult:
    return Mark().run([ToolCall("mark", arguments, (image or page(),))])[0]


def rotate(image: Image, angle: float) -> ToolResult:
    return Rotate().run([ToolCall("rotate", {"angle": angle}, (image,))])[0]


def test_boxes_and_points_are_drawn_where_they_are() -> None:
    source = page()
    result = mark(source, boxes=[[50, 60, 150, 160]], points=[[0.8, 0.5]])
    assert result.text == "Image 0 with 1 box and 1 point."
    assert result.data == {"boxes": [[50, 60, 150, 160]], "points": [[240.0, 100.0]], "labels": ["1", "2"]}
    picture = result.images[0].pil()
    assert picture.size == (300, 200)
    for corner in ((50, 159), (149, 159), (149, 60)):
        assert picture.getpixel(corner) == colour(0)
    assert picture.getpixel((49, 159)) == picture.getpixel((150, 159)) == picture.getpixel((100, 110)) == WHITE
    assert picture.getpixel((240, 100)) == colour(1)
    assert source.pil().getcolors() == [(60_000, WHITE)]  # the episode's own image is left alone


def test_a_grid_carries_coordinates() -> None:
    result = mark(grid=2)
    assert result.text == "Image 0 with a grid of 2 x 2 cells, its lines labelled in pixels."
    picture = result.images[0].pil()
    assert picture.getpixel((150, 190)) == picture.getpixel((290, 100)) == PIL.ImageColor.getrgb(GRID_COLOUR)
    assert picture.getpixel((75, 50)) == WHITE


def test_labels_change_the_picture_and_must_fit() -> None:
    assert mark(boxes=[9, 50, 90, 90], labels=["axis"]).images != mark(boxes=[9, 50, 90, 90], labels=["bar"]).images
    for bad in ({"labels": ["a", "b"], "boxes": [0, 0, 9, 9]}, {}):
        assert isinstance(mark(**bad).error, ModelError)


def test_large_pictures_are_drawn_reduced() -> None:
    large = page(3000, 1500)
    result = mark(large, boxes=[[1500, 0, 3000, 1500]])
    picture = result.images[0].pil()
    assert picture.size == (MAX_SIDE, MAX_SIDE // 2)
    assert picture.getpixel((MAX_SIDE - 1, 500)) == colour(0) and picture.getpixel((MAX_SIDE // 4, 500)) == WHITE
    assert Drawing(large.pil()).reduced and not Drawing(page().pil()).reduced
    assert fitted(PIL.Image.new("RGB", (9000, 1))).size == (MAX_SIDE, 1)


def test_a_mask_tints_its_pixels_only() -> None:
    mask = np.zeros((200, 300), dtype=bool)
    mask[10:20, 30:50] = True
    drawing = Drawing(page().pil())
    drawing.mask(mask, 1)
    picture = drawing.image().pil()
    assert picture.getpixel((29, 15)) == WHITE and picture.getpixel((30, 15)) not in (WHITE, colour(1))


def test_quarter_turns_are_exact_and_counter_clockwise() -> None:
    picture = PIL.Image.new("RGB", (40, 20), "white")
    picture.putpixel((39, 0), (255, 0, 0))  # upper right
    image = Image.from_pil(picture)
    corners = {90: (0, 0), 180: (0, 19), 270: (19, 39), -90: (19, 39), 450: (0, 0), 0: (39, 0), 360: (39, 0)}
    for angle, corner in corners.items():
        turned = rotate(image, angle)
        assert turned.images[0].pil().getpixel(corner) == (255, 0, 0), angle
    assert rotate(image, 90).text == "Image 0 turned by 90 degrees, now 20 x 40 pixels."


def test_other_angles_cut_nothing_off() -> None:
    black = Image.from_pil(PIL.Image.new("RGB", (100, 50), "black"))
    picture = rotate(black, 45).images[0].pil()
    assert picture.size[0] > 100 and picture.getpixel((0, 0)) == WHITE
    dark = (np.asarray(picture)[:, :, 0] < 128).sum()
    assert dark == pytest.approx(5000, rel=0.03)
