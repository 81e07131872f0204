"""A photograph told from a drawing, by its colours and its size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vqa.catalogue.images import load_image
from vqa.cli.serve import count_colours


def test_the_share_is_of_what_is_beside_the_commonest_colour() -> None:
    colours = [[c, 0, 0] for c in [*[255] * 10, *[0] * 4, *range(1, 13)]]  # 10 red, 4 black, 12 of their own
    found = count_colours(Image.fromarray(np.array([colours], dtype=np.uint8)))
    # Beside red: 16 pixels. 4 black ones and 7 more are in the next eight colours, 5 in none of them.
    assert (found.longer_side, found.rare_share) == (26, 5 / 16)
    assert count_colours(Image.new("RGB", (300, 300), "white")).rare_share == 0.0


@pytest.mark.parametrize("side", [128, 512])
def test_a_flat_drawing_is_none(side: int) -> None:
    image = Image.new("RGB", (4 * side, 4 * side), "white")
    ImageDraw.Draw(image).ellipse(
        [side, side, 3 * side, 3 * side], fill="red", outline="black", width=side // 8
    )
    assert not count_colours(image.resize((side, side), Image.Resampling.LANCZOS)).is_photograph


def test_many_colours_make_a_photograph_where_the_image_is_larger_than_our_drawings() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (129, 129, 3), dtype=np.uint8)
    assert count_colours(Image.fromarray(noise)).is_photograph
    assert not count_colours(Image.fromarray(noise[:128, :128])).is_photograph


def test_of_real_photographs_nine_in_ten_are_told(shared: Path) -> None:
    files = sorted((shared / "abo_photos/images/small").glob("*/*.jpg"))[::60]
    if not files:
        pytest.skip("needs ../shared/abo_photos, which is not part of the repository")
    told = [count_colours(load_image(file)).is_photograph for file in files]
    assert sum(told) / len(told) == pytest.approx(0.9, abs=0.06)
