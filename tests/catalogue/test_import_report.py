"""What an import prints, of products that are written by hand."""

from pathlib import Path
from typing import Any

import pytest

from spreadsheet_rows import row
from vqa.catalogue.image_folder import ImageFolder
from vqa.catalogue.import_record import ImportRecord, NamedFile
from vqa.catalogue.import_report import report
from vqa.catalogue.product_groups import Groups, nothing_ties
from vqa.catalogue.spreadsheet import Spreadsheet
from vqa.catalogue.tree_writer import Product


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolder:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        (tmp_path / name).touch()
    return ImageFolder(tmp_path)


def lines(
    products: list[Product],
    folder: ImageFolder,
    columns: dict[str, str] | None = None,
    disputes: dict[str, int] | None = None,
    record: ImportRecord | None = None,
    **spreadsheet: Any,
) -> list[str]:
    rows = [product.row for product in products]
    read = Spreadsheet(rows, columns or {"image": "image"}, [], ["a note on a column"], **spreadsheet)
    groups = Groups([product.group for product in products], "", ["a note on groups"])
    record = record or ImportRecord(Path("mine"), {"first.csv": {}})
    return list(report(read, groups, products, disputes or {}, record, folder))


def test_everything_is_said_once_in_its_order(folder: ImageFolder, tmp_path: Path) -> None:
    (tmp_path / "x.heic").touch()
    products = [
        Product(row(1, color="red"), 0, "a.jpg"),
        Product(row(2, color="red"), 0, "b.jpg"),
        Product(row(3, color="n/a", name="-"), 1, "", ("c.jpg",)),
    ]
    columns = {"image": "image", "color": "Farbe", "name": "name"}
    assert lines(products, ImageFolder(tmp_path), columns, {"color": 2}) == [
        "read image, color from 'Farbe', name",
        "a note on a column",
        "color, from 'Farbe': red 2 (the commonest of 1)",
        "color: 1 rows say none: 'n/a' 1",
        "name: 1 rows say none: '-' 1",
        "a note on groups",
        "color: 2 images are named by rows that do not agree on it; none of these has one",
        "1 products are not asked about: their first image is not there, others are",
        "1 files are not read: 1 × .heic (x.heic)",
        "2 products with 3 of 4 images are in mine",
    ]


def test_where_nothing_ties_images_it_is_said_with_the_remedy(folder: ImageFolder) -> None:
    alone = [Product(row(number), number, name) for number, name in enumerate(("a.jpg", "b.jpg"))]
    assert nothing_ties() in lines(alone, folder)
    assert nothing_ties() not in lines([*alone, Product(row(), 0, "c.jpg")], folder)
    assert nothing_ties().endswith("--column group=NAME names one")


def test_an_image_of_several_ids_is_named(folder: ImageFolder) -> None:
    products = [
        Product(row(1, id="x"), 0, "a.jpg"),
        Product(row(2, id="y"), 1, "a.jpg", ("b.jpg",)),
        Product(row(3), 2, "b.jpg"),
    ]
    sentence = "1 images are named by rows of several ids (2 in all; a.jpg by x, y): names.csv lists them"
    assert sentence in lines(products, folder)
    assert not any("several ids" in line for line in lines(products[::2], folder))


def test_a_category_that_ends_in_a_brand_is_told_as_its_own_or_as_another_row_s(folder: ImageFolder) -> None:
    products = [
        Product(row(1, kind="Shoes > Nike", brand="Nike"), 0, "a.jpg"),
        Product(row(2, kind="Shoes > Nike"), 1, "b.jpg"),
    ]
    said = lines(products, folder, {"image": "image", "kind": "kind", "brand": "brand"})
    assert "kind, from 'kind': shoe 1, nike 1 (the commonest of 2)" in said
    assert "kind: 1 rows end in their brand, which is passed over: 'Nike' 1" in said
    assert any(line.startswith("kind: 1 rows end in a brand that other rows have") for line in said)


def test_of_several_spreadsheets_all_images_are_counted_and_rows_of_pairs_are_called_so(
    folder: ImageFolder,
) -> None:
    files = [NamedFile("first.csv", name, name, "") for name in ("a.jpg", "b.jpg", "b.jpg")]
    record = ImportRecord(Path("mine"), {"first.csv": {}, "second.csv": {}}, files)
    said = lines([Product(row(1), 0, "a.jpg")], folder, record=record, is_of_pairs=True)
    assert said[-2:] == [
        "1 rows of pairs with 1 of 4 images are in mine",
        "with those of 2 spreadsheets it holds 2 images",
    ]
