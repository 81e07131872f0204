"""One drawn image: decided by its item, its size and its random numbers."""

import random
from dataclasses import replace

import pytest
from PIL import Image

from vqa.synthetic.drawing import ATTRIBUTES, Item, image

CLOCK = Item("clock", "red", "round", "wood", "plain", "2")
MIRROR = Item("mirror", "blue", "square", "leather", "plain", "1")


def test_equal_items_are_drawn_differently_and_different_ones_never_alike() -> None:
    first, again, other = (image(CLOCK, 64, random.Random(seed)) for seed in (0, 0, 1))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def is_light(image: Image.Image, x: int, y: int) -> bool:
    """Whether a pixel is of the background, whose channels are 214 × 0.94 = 201 or more."""
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return min(pixel) > 200


@pytest.mark.parametrize(
    ("count", "centre", "middle_of_left_half"),
    [("1", False, True), ("2", True, False), ("4", True, True)],
)
def test_as_many_things_stand_where_their_count_puts_them(
    count: str, centre: bool, middle_of_left_half: bool
) -> None:
    """One in the centre, two to its left and right, four in the corners."""
    drawn = image(Item("rug", "navy", "square", "wood", "plain", count), 96, random.Random(0))
    assert drawn.size == (96, 96)
    assert (is_light(drawn, 48, 48), is_light(drawn, 17, 48)) == (centre, middle_of_left_half)
    assert is_light(drawn, 1, 1)


@pytest.mark.parametrize("name", list(ATTRIBUTES))
def test_each_value_of_an_attribute_changes_the_image(name: str) -> None:
    values = ATTRIBUTES[name]
    drawn = {image(replace(MIRROR, **{name: value}), 64, random.Random(0)).tobytes() for value in values}
    assert len(drawn) == len(values)
