"""`python src import`: somebody's spreadsheet and folder → what the pipeline reads."""

import csv
import os
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import generate
import validate
from commands import used
from vqa.annotators.metadata import pairs_of
from vqa.catalogue.abo import Product, read_catalogue, read_listings
from vqa.foundation.csv_tables import read_rows
from vqa.foundation.errors import InputError
from vqa.foundation.files import read_json

run = import_module("vqa.cli.import_").run
COLUMNS = ["Product ID", "Photo", "Title", "Colour", "Material", "Shape", "Type"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shop(
    header: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str = ",", code: str = "utf-8"
) -> Path:
    path = Path("products.csv")
    with path.open("w", encoding=code, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def row_of(product: Product) -> list[str]:
    """As of a spreadsheet with COLUMNS."""
    known = product.name, product.color, product.material, product.shape, product.product_type
    return [product.item_id, product.image_name, *(text or "" for text in known)]


def picture(name: str, size: tuple[int, int] = (40, 30), **options: Any) -> None:
    path = Path("photos", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (sum(map(ord, name)) % 200, 90, 30)).save(path, **options)


def imported(products: Path, **options: Any) -> dict[str, Product]:
    """Picture name → its product, of what was imported."""
    run(products, Path("photos"), Path("mine"), **options)
    return {p.image_name: p for p in read_catalogue(Path("mine"), ["en_US", "en"], 20).products}


def reasons() -> dict[str, str]:
    """Row → why it was left out."""
    return {row["row"]: row["reason"] for row in read_rows(Path("mine/left_out.csv"), ("row", "reason"))}


@pytest.mark.parametrize(("delimiter", "code"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8")])
def test_a_spreadsheet_as_shops_save_it(delimiter: str, code: str) -> None:
    picture("lamp.png")
    picture("chairs/red.JPG", (900, 300))
    header = ["SKU", "Photo", "Product Name", "Colour", "Material", "Product Type", "Notes"]
    rows = [
        ["1", "lamp.png", "Brass, table lamp", "Brass", "Metal", "Home > Table lamp", "x"],
        ["2", "C:\\shop\\chairs\\red.jpg", "Chair", "Red", "", "Chair", ""],
    ]
    products = imported(shop(header, rows, delimiter, code))
    lamp, chair = products["lamp.jpg"], products["red.jpg"]
    assert (lamp.name, lamp.color, lamp.product_type) == ("Brass, table lamp", "Brass", "TABLE_LAMP")
    assert (chair.item_id, chair.material) == ("2", None)
    with Image.open("mine/images/small/re/red.jpg") as copy:
        assert (copy.size, copy.mode) == ((256, 85), "RGB")
    assert reasons() == {}


def test_what_is_left_out_is_said_row_by_row(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("good.jpg", "a/same.jpg", "b/same.jpg", "twin.png", "twin.gif"):
        picture(name)
    Path("photos/broken.jpg").write_bytes(b"no picture")
    cells = ["good", "same.jpg", "gone.jpg", "", "broken.jpg", "a/same.jpg", "twin.png", "twin.gif"]
    found = imported(shop(["picture", "name"], [[cell, "x"] for cell in cells]))
    assert set(found) == {"good.jpg", "a-same.jpg", "twin.jpg"}
    assert reasons() == {
        "2": "2 pictures are called so: a/same.jpg, b/same.jpg",
        "3": "no picture is called so",
        "4": "the row names no picture",
        "5": "image_unreadable: it is none of JPEG, PNG, WEBP, AVIF, GIF, TIFF, BMP",
        "8": "photos/twin.png has the same name but for its ending",
    }
    said = capsys.readouterr().out
    assert "3 products with 3 of 6 pictures are in mine" in said
    assert "5 rows are left out (" in said


def test_columns_may_be_called_anything() -> None:
    picture("1.jpg")
    products = shop(["Bild", "Farbe", "Art"], [["1.jpg", "Rot", "Stuhl"]])
    with pytest.raises(InputError, match="no column names the pictures; its columns are Bild, Farbe, Art"):
        imported(products)
    found = imported(products, column=["picture=Bild", "color=Farbe", "kind=Art"])
    assert found["1.jpg"].color == "Rot"
    with pytest.raises(InputError, match="has no column 'Ton'"):
        imported(products, column=["picture=Bild", "color=Ton"])
    with pytest.raises(InputError, match="--column tint=… is not known; it can be picture, id,"):
        imported(products, column=["tint=Farbe"])
    with pytest.raises(InputError, match="--column picture says no column"):
        imported(products, column=["picture"])


def test_rows_with_one_id_are_pictures_of_one_product() -> None:
    for name in ("front.jpg", "back.jpg", "other.jpg"):
        picture(name)
    imported(shop(["sku", "image"], [["7", "front.jpg"], ["7", "back.jpg"], ["8", "other.jpg"]]))
    listings = read_listings(Path("mine"), ["front.jpg"], 20)
    assert listings is not None
    assert {frozenset(tie) for tie in listings.together} == {frozenset({"front.jpg", "back.jpg"})}


def test_pictures_stand_upright_and_links_lead_to_the_files_themselves() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn
    picture("turned.jpg", (40, 20), exif=turned)
    products = shop(["image"], [["turned.jpg"]])
    imported(products)
    with Image.open("mine/images/small/tu/turned.jpg") as copy:
        assert copy.size == (20, 40)
    imported(products, link=True)
    assert Path("mine/images/small/tu/turned.jpg").resolve() == Path("photos/turned.jpg").resolve()


def test_the_next_run_copies_only_what_is_new_or_changed() -> None:
    for number in range(3):
        picture(f"{number}.jpg")
    imported(shop(["image"], [["0.jpg"], ["1.jpg"]]))
    before = {path: path.stat().st_ino for path in Path("mine/images/small").rglob("*.jpg")}
    picture("1.jpg", (60, 60))
    os.utime("photos/1.jpg", (time.time() + 9, time.time() + 9))
    found = imported(shop(["image"], [["0.jpg"], ["1.jpg"], ["2.jpg"]]))
    assert set(found) == {"0.jpg", "1.jpg", "2.jpg"}
    assert [path.name for path, number in before.items() if path.stat().st_ino == number] == ["0.jpg"]
    with Image.open("mine/images/small/1./1.jpg") as copy:
        assert copy.size == (60, 60)


def test_nothing_usable_ends_with_where_to_look() -> None:
    picture("there.jpg")
    with pytest.raises(InputError, match=r"no row has a picture that is usable; mine/left_out\.csv says why"):
        imported(shop(["image"], [["gone.jpg"]]))
    with pytest.raises(InputError, match="nowhere is no folder"):
        run(Path("products.csv"), Path("nowhere"), Path("mine"))
    Path("empty").mkdir()
    with pytest.raises(InputError, match="empty holds no picture; pictures end in"):
        run(Path("products.csv"), Path("empty"), Path("mine"))
    with pytest.raises(InputError, match=r"products\.csv has no rows"):
        imported(shop(["image"], []))


def test_it_is_called_by_a_word_that_python_keeps_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    used("import", "--help")
    assert "python src import products.csv --images FOLDER --out data/mine" in capsys.readouterr().out


def test_what_is_imported_runs_through_the_pipeline(project: Callable[..., Path], catalogue: Path) -> None:
    project(data={"root": "data/mine"})
    rows = list(map(row_of, read_catalogue(catalogue, ["en_US"], 20).products))
    run(shop(COLUMNS, rows), catalogue / "images/small", Path("data/mine"))
    generate.run()
    validate.run()
    assert read_json(Path("metrics/data.json"))["kept"] > 0


def test_real_products_give_the_pairs_that_abos_own_layout_gives(shared: Path) -> None:
    products = read_catalogue(shared / "abo_photos", ["en_US", "en"], 20).products[:300]
    shopped = shop(COLUMNS, list(map(row_of, products)), ";", "utf-8-sig")
    run(shopped, shared / "abo_photos/images/small", Path("mine"))
    ours = read_catalogue(Path("mine"), ["en_US", "en"], 20).products
    assert set(pairs_of(ours, 5, 0)) == set(pairs_of(products, 5, 0))
