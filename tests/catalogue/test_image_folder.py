"""A cell of a spreadsheet → the images that it means, and why not others."""

from pathlib import Path

import pytest

from vqa.catalogue.image_folder import ImageFolder
from vqa.core.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "photos"


def folder(root: Path, *names: str) -> ImageFolder:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return ImageFolder(root)


def found(root: Path, names: list[str], cell: str) -> list[str]:
    """What a cell names, below the folder; of what is not there the reason."""
    images = folder(root, *names).images_in(cell)
    return [p.path.relative_to(root).as_posix() if p.path else p.problem for p in images]


@pytest.mark.parametrize(
    "cell",
    [
        "a.jpg,b.jpg,c.jpg",
        "a.jpg; b.jpg ;c.jpg",
        "a.jpg|b.jpg|c.jpg",
        "a.jpg\nb.jpg\nc.jpg",
        "a, b, c",
        "https://shop.example/u/a.jpg, https://shop.example/u/b.jpg, https://cdn.example/c.jpg?v=1577",
    ],
)
def test_a_cell_may_name_several_images_in_their_order(root: Path, cell: str) -> None:
    assert found(root, ["a.jpg", "b.jpg", "c.jpg"], cell) == ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("lamp, brass.jpg", ["lamp, brass.jpg"]),
        ("lamp, brass.jpg", ["lamp, brass.jpg", "lamp.jpg", "brass.jpg"]),
        ("lamp, brass", ["lamp, brass.jpg"]),
        ("https://shop.example/lamp,%20brass.jpg", ["lamp, brass.jpg"]),
        ("https://res.example/upload/w_300,h_200/lamp.jpg", ["lamp.jpg"]),
        ("a|b;c.jpg", ["a|b;c.jpg"]),
    ],
)
def test_a_name_with_a_comma_in_it_that_is_there_stays_one(root: Path, cell: str, names: list[str]) -> None:
    assert found(root, names, cell) == [names[0]]


def test_names_with_and_without_commas_stand_side_by_side(root: Path) -> None:
    cell = "https://res.example/w_300,h_2/a.jpg, lamp, brass.jpg, https://res.example/w_300,h_2/b.jpg"
    assert found(root, ["a.jpg", "b.jpg", "lamp, brass.jpg"], cell) == ["a.jpg", "lamp, brass.jpg", "b.jpg"]


def test_a_cell_with_folders_means_only_a_path_that_ends_in_all_of_it(root: Path) -> None:
    names = ["A/main.jpg", "B/main.jpg", "B/detail.jpg"]
    assert found(root, names, "B/detail.jpg") == ["B/detail.jpg"]
    assert found(root, names, "photos/B/detail.jpg") == ["B/detail.jpg"]  # the folder's own name
    assert found(root, names, "detail.jpg") == ["B/detail.jpg"]
    no = "no image's path ends in all of this; there is B/detail.jpg"
    for cell in (
        "A/detail.jpg",
        "/home/me/A/detail.jpg",
        "https://shop.example/A/detail.jpg",
        "x/B/detail.jpg",
    ):
        assert found(root, names, cell) == [no]
    for cell in ("C:\\shop\\b\\DETAIL.jpg", "/mnt/B/detail.jpg", "https://shop.example/x/B/detail.jpg"):
        assert found(root, names, cell) == ["B/detail.jpg"]


def test_of_a_url_what_follows_the_file_does_not_count(root: Path) -> None:
    names = ["men's shoe.jpg", "what?.jpg", "#1.jpg"]
    assert found(root, names, "https://cdn.example/men%27s%20shoe.jpg?v=1577&w=3#top") == ["men's shoe.jpg"]
    assert found(root, names, "men's shoe.jpg?v=2") == ["men's shoe.jpg"]
    assert found(root, names, "what?.jpg, #1.jpg") == ["what?.jpg", "#1.jpg"]


def test_accents_may_be_composed_or_not(root: Path) -> None:
    assert found(root, ["cafe\u0301.jpg"], "caf\u00e9.jpg") == ["cafe\u0301.jpg"]


def test_endings_that_are_not_decoded_are_counted_and_named(root: Path) -> None:
    names = ["a.jpg", "IMG_1.heic", "IMG_2.HEIC", "list.pdf", ".hidden.heic", "notes"]
    found_there = folder(root, *names)
    assert found_there.unread == (
        "4 files are not read: 2 × .heic (IMG_1.heic), 1 × .pdf (list.pdf), 1 × no ending (notes)"
    )
    no = "IMG_1.heic is there, but no file of that ending is decoded; save it as JPEG or PNG"
    assert [named.problem for named in found_there.images_in("IMG_1.heic, IMG_1.jpg, IMG_1")] == [no] * 3
    (root / "a.jpg").unlink()
    with pytest.raises(
        InputError, match=r"holds no image; images end in .*; 4 files are not read: 2 × \.heic"
    ):
        ImageFolder(root)
