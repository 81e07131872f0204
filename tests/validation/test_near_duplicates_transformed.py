import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from vqa.catalogue.images import GREY_SIDE, inspect
from vqa.synthetic.catalogue import draw_items, write_catalogue
from vqa.validation.near_duplicates import grey_values, transformed_links

Change = Callable[[Image.Image], Image.Image]
SYMMETRIES: dict[str, Change] = {
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned by 90": lambda image: image.rotate(90, expand=True),
    "by 180": lambda image: image.rotate(180, expand=True),
    "by 270": lambda image: image.rotate(270, expand=True),
    "mirrored and turned": lambda image: ImageOps.mirror(image).rotate(90, expand=True),
    "along the other diagonal": lambda image: ImageOps.flip(image).rotate(90, expand=True),
}


def blots(count: int, seed: int = 0) -> list[Image.Image]:
    """Images of blurred blots, each different from the others."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        noise = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        large = noise.resize((160, 120), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(3))
        found.append(large.point(lambda value: 40 + value * 150 // 255))
    return found


def greys_of(tmp_path: Path, images: list[Image.Image]) -> NDArray[np.uint8]:
    texts = []
    for number, image in enumerate(images):
        path = tmp_path / f"{number}.jpg"
        image.save(path, quality=90)
        texts.append(inspect(path).grey)
    return grey_values(texts)


def pairs(greys: NDArray[np.uint8], most_bits: int = 10) -> set[tuple[int, int]]:
    return {(one, other) for one, other, _ in transformed_links(greys, most_bits).tolist()}


@pytest.mark.parametrize("way", SYMMETRIES)
def test_each_of_the_eight_orientations_is_found_and_other_images_are_not(tmp_path: Path, way: str) -> None:
    images = blots(40)
    copies = [SYMMETRIES[way](image) for image in images]
    assert pairs(greys_of(tmp_path, images + copies)) == {(i, i + 40) for i in range(40)}


@pytest.mark.parametrize("factor", [0.75, 1.25])
def test_brightened_and_darkened_copies_are_found_mirrored_or_not(tmp_path: Path, factor: float) -> None:
    images = blots(40, seed=1)
    copies = [ImageEnhance.Brightness(image).enhance(factor) for image in images]
    copies = [ImageOps.mirror(copy) if number % 2 else copy for number, copy in enumerate(copies)]
    found = pairs(greys_of(tmp_path, images + copies))
    assert found <= {(i, i + 40) for i in range(40)}
    assert len(found) >= 38


def test_no_bits_that_may_differ_find_equal_values_only() -> None:
    rng = np.random.default_rng(0)
    greys = rng.integers(0, 256, (20, GREY_SIDE, GREY_SIDE), dtype=np.uint8)
    noisy = np.clip(greys + rng.normal(0, 6, greys.shape), 0, 255).astype(np.uint8)
    assert pairs(np.concatenate([greys, greys[:3, :, ::-1], noisy]), 0) >= {(i, i + 20) for i in range(3)}
    assert len(pairs(np.concatenate([greys, noisy]), 0)) < 20
    assert transformed_links(greys[:0], 10).tolist() == []


def test_drawn_images_that_were_tied_to_none_are_tied_to_none(tmp_path: Path) -> None:
    write_catalogue(tmp_path, draw_items(200, seed=0), seed=0)
    paths = sorted((tmp_path / "images/small").rglob("*.jpg"))
    assert pairs(grey_values([inspect(path).grey for path in paths])) == set()


def test_of_real_photographs_every_turned_copy_is_found_and_crops_are_not(
    tmp_path: Path, shared: Path
) -> None:
    paths = sorted((shared / "abo_photos/images/small").glob("*/*"))[::60]
    images = [Image.open(path).convert("RGB") for path in paths]
    count = len(images)

    def share(change: Change) -> float:
        found = pairs(greys_of(tmp_path, [*images, *map(change, images)]))
        return len({pair for pair in found if pair[1] - pair[0] == count}) / count

    assert share(ImageOps.mirror) == 1
    assert share(SYMMETRIES["turned by 90"]) >= 0.98
    assert share(lambda image: ImageEnhance.Brightness(image).enhance(0.75)) >= 0.9
    assert 0.6 <= share(lambda image: ImageEnhance.Brightness(image).enhance(1.25)) <= 0.9  # docs/pairs.md
    assert share(lambda image: image.rotate(12, fillcolor="white", expand=True)) < 0.1  # says so, too


def test_what_is_found_does_not_depend_on_the_order_of_images(tmp_path: Path) -> None:
    images = blots(10)
    greys = greys_of(tmp_path, images + [ImageOps.mirror(image) for image in images])
    order = random.Random(0).sample(range(20), 20)
    shuffled = {tuple(sorted((order[one], order[other]))) for one, other in pairs(greys[order])}
    assert shuffled == pairs(greys)
