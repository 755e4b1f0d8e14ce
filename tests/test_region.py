"""Points and boxes as they are written, and what they mean in pixels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tools.errors import ToolInputError
from tools.region import Boxes, Points, pixel_points, region_pixels


def test_one_or_many() -> None:
    assert TypeAdapter(Boxes).validate_python([1, 2, 3, 4]) == [(1, 2, 3, 4)]
    assert TypeAdapter(Boxes).validate_python([[1, 2, 3, 4], [0, 0, 1, 1]]) == [(1, 2, 3, 4), (0, 0, 1, 1)]
    assert TypeAdapter(Points).validate_python([5, 6]) == [(5, 6)]
    assert TypeAdapter(Points).validate_python([]) == []


def test_fractions_pixels_and_edges() -> None:
    assert pixel_points([(0.5, 0.5)], (200, 100)) == [(100, 50)]
    assert pixel_points([(0.5, 0.5), (3, 4)], (200, 100)) == [(0.5, 0.5), (3, 4)]
    assert pixel_points([(200, 100)], (200, 100)) == pixel_points([(1.0, 1.0)], (200, 100)) == [(199, 99)]
    with pytest.raises(ToolInputError, match=r"\[201, 5\] lies outside the image, which is 200 x 100"):
        pixel_points([(201, 5)], (200, 100))


def test_small_regions_stay_small_when_asked() -> None:
    assert region_pixels((10, 10, 11, 12), (200, 100), min_side=1) == (10, 10, 11, 12)
    with pytest.raises(ToolInputError, match="legend"):
        region_pixels((5, 5, 5, 9), (200, 100), name="legend")


@given(
    st.lists(st.tuples(st.floats(-10, 1000), st.floats(-10, 1000)), max_size=4),
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
)
def test_points_name_pixels_that_exist(points: list[tuple[float, float]], size: tuple[int, int]) -> None:
    try:
        found = pixel_points(points, size)
    except ToolInputError:
        return
    assert len(found) == len(points)
    assert all(0 <= x <= size[0] - 1 and 0 <= y <= size[1] - 1 for x, y in found)
