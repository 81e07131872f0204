"""A tree in ABO's layout: its copies of images, its listings and its table of images."""

import csv
import gzip
import json
from pathlib import Path

import pytest
from PIL import Image

from spreadsheet_rows import row
from vqa.catalogue.import_record import copies_path, read_copies
from vqa.catalogue.tree_writer import (
    SIDE,
    Copied,
    Product,
    build_listings,
    copy_images,
    write_images,
    write_listings,
)
from vqa.core.errors import InputError
from vqa.core.files import sha256_file
from vqa.core.known_hashes import KnownHashes


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def copied(sources: dict[str, Path], is_linked: bool = False) -> dict[str, Copied]:
    return copy_images(Path("tree"), sources, is_linked, KnownHashes("images"))


def drawn(name: str, size: tuple[int, int], mode: str = "RGB") -> Path:
    Image.new(mode, size).save(name)
    return Path(name)


def test_a_copy_is_upright_rgb_and_no_larger_than_abo_s_small_images() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (512, 256)).save("a.jpg", exif=exif)
    found = copied({"a.jpg": Path("a.jpg"), "b.jpg": drawn("b.png", (30, 20), "RGBA")})
    assert [(of.width, of.height, of.problem) for of in found.values()] == [(128, SIDE, ""), (30, 20, "")]
    for name, size in (("a.jpg", (128, 256)), ("b.jpg", (30, 20))):
        with Image.open(f"tree/images/small/{name[:2]}/{name}") as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", size)
    assert found["b.jpg"].sha256 == sha256_file(Path("b.png"))


def test_a_copy_of_the_same_bytes_stays_and_one_of_others_is_made_anew() -> None:
    sources = {"a.jpg": drawn("a.png", (30, 20)), "b.jpg": drawn("b.png", (30, 20))}
    first = copied(sources)
    copies = [Path("tree/images/small/a./a.jpg"), Path("tree/images/small/b./b.jpg")]
    before = [path.stat().st_mtime_ns for path in copies]
    drawn("b.png", (40, 20))
    second = copied(sources)
    assert [path.stat().st_mtime_ns == at for path, at in zip(copies, before, strict=True)] == [True, False]
    assert second["a.jpg"].sha256 == first["a.jpg"].sha256
    assert second["b.jpg"].width == 40
    assert {name: entry["width"] for name, entry in read_copies(Path("tree")).items()} == {
        "a.jpg": 30,
        "b.jpg": 40,
    }


def test_a_link_leads_to_the_file_itself_and_takes_the_copy_s_place() -> None:
    sources = {"a.jpg": drawn("a.jpg", (600, 20))}
    copied(sources)
    found = copied(sources, is_linked=True)
    link = Path("tree/images/small/a./a.jpg")
    assert link.resolve() == Path("a.jpg").resolve()
    assert (found["a.jpg"].width, found["a.jpg"].bytes) == (600, 0)


def test_an_image_that_cannot_be_read_has_its_reason_and_no_copy() -> None:
    Path("text.png").write_text("no image")
    found = copied({"a.jpg": Path("text.png"), "b.jpg": Path("gone.png")})
    assert found["a.jpg"].problem.startswith("image_unreadable: ")
    assert found["b.jpg"].problem == "image_unreadable: No such file or directory"
    assert read_copies(Path("tree")) == {}
    assert list(Path("tree/images").rglob("*.jpg")) == []


def test_a_tree_that_cannot_be_written_is_named() -> None:
    Path("tree").write_text("a file")
    with pytest.raises(InputError, match=r"^tree cannot be written \(.*\); free space and run again"):
        copied({"a.jpg": drawn("a.png", (30, 20))})


def test_the_first_row_of_a_product_names_the_images_of_all() -> None:
    products = [
        Product(row(1, id="x", name="Lamp", color="red", pattern="n/a", kind="LAMP"), 0, "a.jpg", ("b.jpg",)),
        Product(row(2, id="y"), 1, "c.jpg"),
        Product(row(3, name="Lamp"), 0, "d.jpg", ("a.jpg",)),
    ]
    assert build_listings(products, "shop.csv") == [
        {
            "item_id": "x",
            "main_image_id": "a.jpg",
            "other_image_id": ["b.jpg", "d.jpg"],
            "product_type": [{"value": "LAMP"}],
            "item_name": [{"value": "Lamp"}],
            "color": [{"value": "red"}],
        },
        {"item_id": "y", "main_image_id": "c.jpg"},
        {
            "item_id": "shop.csv:3",
            "main_image_id": "d.jpg",
            "other_image_id": ["a.jpg"],
            "item_name": [{"value": "Lamp"}],
        },
    ]


def test_rows_that_hold_nothing_but_an_image_make_one_listing_for_it() -> None:
    products = [Product(row(number), number, "a.jpg") for number in (1, 2)]
    assert build_listings(products, "pairs.csv") == [{"item_id": "pairs.csv:1", "main_image_id": "a.jpg"}]


def test_listings_and_table_are_packed_to_equal_bytes_and_name_what_was_copied() -> None:
    copied({"b.jpg": drawn("b.png", (30, 20)), "a.jpg": drawn("a.png", (10, 40))})
    written = []
    for _ in range(2):
        write_listings(Path("tree"), "listings_0.json.gz", [{"item_id": "é"}, {"item_id": "2"}])
        write_images(Path("tree"), ["b.jpg", "gone.jpg", "a.jpg", "b.jpg"])
        packed = [*Path("tree").rglob("*.gz")]
        written.append({path.name: path.read_bytes() for path in packed})
    assert written[0] == written[1]
    lines = gzip.decompress(written[0]["listings_0.json.gz"]).decode().splitlines()
    assert [json.loads(line) for line in lines] == [{"item_id": "é"}, {"item_id": "2"}]
    table = list(csv.reader(gzip.decompress(written[0]["images.csv.gz"]).decode().splitlines()))
    assert table == [
        ["image_id", "height", "width", "path"],
        ["a.jpg", "40", "10", "a./a.jpg"],
        ["b.jpg", "20", "30", "b./b.jpg"],
    ]
    assert copies_path(Path("tree")).is_file()
