"""`python src import`: somebody's spreadsheet and folder → what the pipeline reads."""

import csv
import os
import random
import shutil
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
from vqa.annotators.csv_pairs import read_csv_pairs
from vqa.annotators.metadata import pairs_of
from vqa.catalogue.abo import Product, read_catalogue, read_listings
from vqa.catalogue.import_record import NamesBefore
from vqa.core.csv_tables import read_rows, write_rows
from vqa.core.errors import InputError
from vqa.core.files import read_json

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


def image(name: str, size: tuple[int, int] = (40, 30), **options: Any) -> None:
    path = Path("photos", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (sum(map(ord, name)) % 200, 90, 30)).save(path, **options)


def imported(products: Path, **options: Any) -> dict[str, Product]:
    """Image name → its product, of what was imported."""
    run(products, Path("photos"), Path("mine"), **options)
    return {p.image_name: p for p in read_catalogue(Path("mine"), ["en_US", "en"], 20).products}


def reasons() -> dict[str, str]:
    """Row → why it was left out."""
    return {row["row"]: row["reason"] for row in read_rows(Path("mine/left_out.csv"), ("row", "reason"))}


@pytest.mark.parametrize(("delimiter", "code"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8")])
def test_a_spreadsheet_as_shops_save_it(delimiter: str, code: str) -> None:
    image("lamp.png")
    image("chairs/red.JPG", (900, 300))
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
        image(name)
    Path("photos/broken.jpg").write_bytes(b"no image")
    cells = ["good", "same.jpg", "gone.jpg", "", "broken.jpg", "a/same.jpg", "twin.png", "twin.gif"]
    found = imported(shop(["picture", "name"], [[cell, "x"] for cell in cells]))
    assert set(found) == {"good.jpg", "a-same.jpg", "twin.jpg"}
    assert reasons() == {
        "2": "2 images are called so: a/same.jpg, b/same.jpg",
        "3": "no image is called so",
        "4": "the row names no image",
        "5": "image_unreadable: it is none of JPEG, PNG, WEBP, AVIF, GIF, TIFF, BMP",
        "8": "photos/twin.png has the same name but for its ending",
    }
    said = capsys.readouterr().out
    assert "3 products with 3 of 6 images are in mine" in said
    assert "5 rows are left out (" in said


def test_columns_may_be_called_anything() -> None:
    image("1.jpg")
    products = shop(["Bild", "Farbe", "Art"], [["1.jpg", "Rot", "Stuhl"]])
    with pytest.raises(InputError, match="no column names the images; its columns are Bild, Farbe, Art"):
        imported(products)
    found = imported(products, column=["image=Bild", "color=Farbe", "kind=Art"])
    assert found["1.jpg"].color == "Rot"
    with pytest.raises(InputError, match="has no column 'Ton'"):
        imported(products, column=["image=Bild", "color=Ton"])
    with pytest.raises(InputError, match="--column tint=… is not known; it can be image, id,"):
        imported(products, column=["tint=Farbe"])
    with pytest.raises(InputError, match="--column image says no column"):
        imported(products, column=["image"])


def test_rows_with_one_id_are_images_of_one_product() -> None:
    for name in ("front.jpg", "back.jpg", "other.jpg"):
        image(name)
    imported(shop(["sku", "image"], [["7", "front.jpg"], ["7", "back.jpg"], ["8", "other.jpg"]]))
    listings = read_listings(Path("mine"), ["front.jpg"], 20)
    assert listings is not None
    assert {frozenset(tie) for tie in listings.together} == {frozenset({"front.jpg", "back.jpg"})}


def test_images_stand_upright_and_links_lead_to_the_files_themselves() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn
    image("turned.jpg", (40, 20), exif=turned)
    products = shop(["image"], [["turned.jpg"]])
    imported(products)
    with Image.open("mine/images/small/tu/turned.jpg") as copy:
        assert copy.size == (20, 40)
    imported(products, link=True)
    assert Path("mine/images/small/tu/turned.jpg").resolve() == Path("photos/turned.jpg").resolve()


def test_the_next_run_copies_only_what_is_new_or_changed() -> None:
    for number in range(3):
        image(f"{number}.jpg")
    imported(shop(["image"], [["0.jpg"], ["1.jpg"]]))
    before = {path: path.stat().st_ino for path in Path("mine/images/small").rglob("*.jpg")}
    image("1.jpg", (60, 60))
    os.utime("photos/1.jpg", (time.time() + 9, time.time() + 9))
    found = imported(shop(["image"], [["0.jpg"], ["1.jpg"], ["2.jpg"]]))
    assert set(found) == {"0.jpg", "1.jpg", "2.jpg"}
    assert [path.name for path, number in before.items() if path.stat().st_ino == number] == ["0.jpg"]
    with Image.open("mine/images/small/1./1.jpg") as copy:
        assert copy.size == (60, 60)


def photographs(count: int) -> list[str]:
    names = [f"{number}.jpg" for number in range(count)]
    for name in names:
        image(name)
    return names


def red_in(name: str) -> int:
    with Image.open(Path("mine/images/small", name[:2], name)) as copy:
        pixel = copy.getpixel((5, 5))
    assert isinstance(pixel, tuple)
    return pixel[0]


@pytest.mark.parametrize("way", ["unzip", "mv", "cp -p", "cp -p of the same size"])
def test_an_image_that_was_replaced_by_an_older_file_is_copied_anew(way: str) -> None:
    products = shop(["image"], [[name] for name in photographs(30)])
    imported(products)
    old = time.time() - 10**6
    for name in [path.name for path in Path("photos").iterdir()]:
        target, other = Path("photos", name), Path(f"other-{name}")
        Image.new("RGB", (40, 30), (250, 0, 0)).save(other, quality=95 if way != "unzip" else 60)
        if way.endswith("size"):
            with other.open("ab") as file:
                file.truncate(max(target.stat().st_size, other.stat().st_size))
            with target.open("ab") as file:
                file.truncate(other.stat().st_size)
        os.utime(other, (old, old))
        if way.startswith("cp"):
            shutil.copy2(other, target)
        elif way == "mv":
            other.replace(target)
        else:
            target.unlink()
            shutil.copy2(other, target)
    imported(products)
    assert min(red_in(f"{number}.jpg") for number in range(30)) > 230


def test_a_killed_run_goes_on_with_what_it_had_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    products = shop(["image"], [[name] for name in photographs(5)])
    module = import_module("vqa.catalogue.tree_writer")
    copy, done = module._copy, list[str]()

    def killed_at_the_fourth(root: Path, item: tuple[str, Path]) -> Any:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(item[0])
        return copy(root, item)

    monkeypatch.setattr(module, "_copy", killed_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        imported(products)
    before = {path.name: path.stat().st_ino for path in Path("mine/images/small").rglob("*.jpg")}
    assert set(before) == set(done)
    monkeypatch.setattr(module, "_copy", copy)
    imported(products)
    after = {path.name: path.stat().st_ino for path in Path("mine/images/small").rglob("*.jpg")}
    assert len(after) == 5
    assert {name: after[name] for name in before} == before


def test_links_and_copies_take_each_other_s_place() -> None:
    products = shop(["image"], [[name] for name in photographs(2)])
    copy = Path("mine/images/small/0./0.jpg")
    for link in (True, False, True):
        imported(products, link=link)
        assert copy.is_symlink() == link
        assert Path("photos/0.jpg").is_file()


def test_a_second_spreadsheet_adds_to_the_first_and_the_first_can_change() -> None:
    photographs(4)
    first = shop(["sku", "image", "name"], [["a", "0.jpg", "A"], ["b", "1.jpg", "B"], ["", "gone.jpg", "X"]])
    assert set(imported(first)) == {"0.jpg", "1.jpg"}
    second = Path("more.csv")
    second.write_text("sku,image,name\nc,2.jpg,C\na,3.jpg,A\n,2.jpg,\n")
    assert set(imported(second)) == {"0.jpg", "1.jpg", "2.jpg", "3.jpg"}
    assert reasons() == {"3": "no image is called so"}  # what was said of the first stays
    assert tied() == [{"0.jpg", "3.jpg"}]  # product a, which both have
    shop(["sku", "image", "name"], [["a", "0.jpg", "A2"]])
    with pytest.raises(
        InputError, match=r"products\.csv: product a has item_name 'A2', but more\.csv, which is in "
    ):
        imported(first)
    shop(["sku", "image", "name"], [["a", "0.jpg", "A"]])
    assert set(imported(first)) == {"0.jpg", "2.jpg", "3.jpg"}  # its own row is gone, the other's are not


def test_a_second_spreadsheet_that_contradicts_the_first_is_refused_and_nothing_is_lost() -> None:
    photographs(2)
    first = shop(["sku", "image", "color"], [["a", "0.jpg", "red"], ["b", "1.jpg", "blue"]])
    before = imported(first)
    tree = {path: path.read_bytes() for path in Path("mine").rglob("*") if path.is_file()}
    Path("more.csv").write_text("sku,image,color\na,0.jpg,green\n")
    with pytest.raises(InputError, match=r"more\.csv: product a has color 'green', but products\.csv, which"):
        imported(Path("more.csv"))
    Path("others").mkdir()
    Image.new("RGB", (40, 30), (0, 250, 0)).save("others/0.jpg")
    Path("more.csv").write_text("sku,image\nz,0.jpg\n")
    with pytest.raises(
        InputError, match=r"others/0\.jpg and 0\.jpg, which products\.csv brought into mine, are two"
    ):
        run(Path("more.csv"), Path("others"), Path("mine"))
    Path("more.csv").write_text("sku,image\nz,gone.jpg\n")
    with pytest.raises(InputError, match="no row has an image that is usable"):
        imported(Path("more.csv"))
    now = {path: path.read_bytes() for path in Path("mine").rglob("*") if path.is_file()}
    assert {path: now[path] for path in tree if path.name != "left_out.csv"} == {
        path: content for path, content in tree.items() if path.name != "left_out.csv"
    }
    assert imported(first) == before


def test_a_tree_that_no_import_made_is_left_alone(catalogue: Path) -> None:
    image("a.jpg")
    shutil.copytree(catalogue, "mine")
    with pytest.raises(
        InputError, match="mine holds listings that no import is recorded for; give another --out"
    ):
        imported(shop(["image"], [["a.jpg"]]))
    assert len(read_catalogue(Path("mine"), ["en_US"], 20).products) == 30


def tied() -> list[set[str]]:
    listings = read_listings(Path("mine"), [path.name for path in Path("mine/images/small").rglob("*")], 20)
    assert listings is not None
    return [set(images) for images in listings.together]


def test_a_product_of_more_rows_than_a_boilerplate_image_has_stays_together() -> None:
    names = photographs(30)
    imported(shop(["sku", "image"], [["1", name] for name in names[:25]] + [["2", names[25]]]))
    assert tied() == [set(names[:25])]


def test_images_that_rows_of_several_ids_name_are_counted_and_get_no_label_they_do_not_share(
    capsys: pytest.CaptureFixture[str],
) -> None:
    photographs(3)
    rows = [["a", "0.jpg", "red", "mug"], ["b", "0.jpg", "blue", "mugs"], ["c", "1.jpg", "red", "mug"]]
    found = imported(shop(["sku", "image", "color", "type"], [*rows, ["c", "2.jpg", "red", "mug"]]))
    assert {name: (product.color, product.product_type) for name, product in found.items()} == {
        "0.jpg": (None, "MUG"),
        "1.jpg": ("red", "MUG"),
        "2.jpg": ("red", "MUG"),
    }
    said = capsys.readouterr().out
    assert "1 images are named by rows of several ids (2 in all; 0.jpg by a, b): names.csv lists them" in said
    assert "color: 1 images are named by rows that do not agree on it; none of these has one" in said
    names = {
        row["image_name"]: row["ids"] for row in read_rows(Path("mine/names.csv"), ("image_name", "ids"))
    }
    assert names == {"0.jpg": "a b", "1.jpg": "c", "2.jpg": "c"}


def test_a_product_whose_first_image_is_missing_is_not_asked_about(
    capsys: pytest.CaptureFixture[str],
) -> None:
    photographs(2)
    found = imported(
        shop(["sku", "images", "color"], [["a", "gone.jpg, 1.jpg", "red"], ["b", "0.jpg", "blue"]])
    )
    assert set(found) == {"0.jpg"}
    assert reasons() == {"1": "no image is called so"}
    assert Path("mine/images/small/1./1.jpg").is_file()
    said = capsys.readouterr().out
    assert "1 products are not asked about: their first image is not there, others are" in said


def test_a_file_that_two_urls_could_mean_is_used_for_neither() -> None:
    photographs(2)
    urls = [
        "https://shop.example/a/0.jpg",
        "https://shop.example/b/0.jpg",
        "https://shop.example/a/1.jpg?v=1",
    ]
    found = imported(shop(["sku", "image"], [[str(i), url] for i, url in enumerate(urls)]))
    assert set(found) == {"1.jpg"}
    assert set(reasons()) == {"1", "2"}
    assert "it could be the file of a or of b" in reasons()["1"]


def test_files_of_other_endings_are_counted_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    photographs(1)
    Path("photos/IMG_1.HEIC").touch()
    imported(shop(["image"], [["0.jpg"], ["IMG_1.HEIC"]]))
    assert "1 files are not read: 1 × .heic (IMG_1.HEIC)" in capsys.readouterr().out
    assert "no file of that ending is decoded; save it as JPEG or PNG" in reasons()["2"]


def test_what_is_read_is_shown_by_its_five_commonest_values(capsys: pytest.CaptureFixture[str]) -> None:
    photographs(9)
    colours = "red red red blue blue green black white pink".split()
    rows = [[f"{n}.jpg", color, "Home > Rugs", "nan" if n else "wool"] for n, color in enumerate(colours)]
    imported(shop(["image", "Colour", "Category", "Fabric"], rows))
    said = capsys.readouterr().out
    assert "color, from 'colour': red 3, blue 2, green 1, black 1, white 1 (the commonest of 6)" in said
    assert "kind, from 'category': rug 9 (the commonest of 1)" in said
    assert "material, from 'fabric': wool 1 (the commonest of 1)" in said
    assert "material: 8 rows say none: 'nan' 8" in said
    assert "nothing ties images of one product: no row has two, no id is there twice" in said


def test_of_a_csv_of_pairs_only_the_images_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    photographs(2)
    columns = ["image_name", "Question", "Answer", "type"]
    rows = [["0.jpg", "What color?", "red", "color"], ["0.jpg", "What is it?", "mug", "object"]]
    found = imported(shop(columns, [*rows, ["1.jpg", "What color?", "blue", "color"]]))
    assert [found[f"{n}.jpg"].product_type for n in range(2)] == ["UNKNOWN", "UNKNOWN"]
    said = capsys.readouterr().out
    assert "kind" not in said
    assert "3 rows of pairs with 2 of 2 images are in mine" in said
    assert "nothing ties images of one product" in said
    assert "dvc exp run -S data.root=mine -S generate.annotator=csv -S generate.csv=products.csv" in said
    assert "metadata" not in said


@pytest.mark.parametrize("column", ["Brand", "Manufacturer", "Vendor"])
def test_a_category_that_ends_in_the_row_s_brand_is_of_the_level_before(
    column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs(4)
    cells = ("Shoes > Nike", "Nike"), ("Shoes > Puma", "Puma"), ("Shoes > Puma", ""), ("Mugs", "Nike")
    rows = [[f"{n}.jpg", *of_row] for n, of_row in enumerate(cells)]
    found = imported(shop(["image", "Category", column], rows))
    assert [found[f"{n}.jpg"].product_type for n in range(4)] == ["SHOE", "SHOE", "PUMA", "MUG"]
    said = capsys.readouterr().out
    assert ("brand, kind" if column == "Brand" else f"brand from '{column.lower()}', kind") in said
    assert "kind: 2 rows end in their brand, which is passed over: 'Nike' 1, 'Puma' 1" in said
    assert (
        "kind: 1 rows end in a brand that other rows have, and are read as that: 'Shoes > Puma' 1; mend them "
        "where the brand is meant" in said
    )


def test_a_column_of_nothing_but_brands_is_not_read_as_kind(capsys: pytest.CaptureFixture[str]) -> None:
    photographs(2)
    rows = [["0.jpg", "Nike", "Nike", "Shoes"], ["1.jpg", "Puma", "Puma", "Mugs"]]
    found = imported(shop(["image", "Type", "Vendor", "Category"], rows))
    assert [found[f"{n}.jpg"].product_type for n in range(2)] == ["SHOE", "MUG"]
    assert "column 'type' is not read as kind: its values are such as Nike, Puma" in capsys.readouterr().out


def test_names_and_more_that_say_nothing_are_counted_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    photographs(4)
    names = ["N/A", "N/A", "#REF!", "#1 Dad mug"]
    rows = [
        [f"{n}.jpg", name, "-" if n else "Soft", "n/a" if n else "striped"] for n, name in enumerate(names)
    ]
    found = imported(shop(["image", "Title", "Description", "Pattern"], rows))
    assert [found[f"{n}.jpg"].name for n in range(4)] == [None, None, None, "#1 Dad mug"]
    said = capsys.readouterr().out
    assert "name: 3 rows say none: 'N/A' 2, '#REF!' 1" in said
    assert "description: 3 rows say none: '-' 3" in said
    assert "pattern: 3 rows say none: 'n/a' 3" in said


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("a/same.jpg", "a-same.jpg"),
        ("photos/b/same.jpg", "b-same.jpg"),
        ("a-same.jpg", "a-same.jpg"),
        ("Lamp One.PNG", "Lamp One.jpg"),
        ("https://shop.example/x/Lamp%20One.PNG?v=3", "Lamp One.jpg"),
        ("images/small/La/Lamp One.jpg", "Lamp One.jpg"),
        ("same.jpg", "same.jpg"),  # two are called so
        ("c/same.jpg", "c-same.jpg"),  # and none of these is in that folder
    ],
)
def test_pairs_that_call_an_image_by_the_name_it_had_find_it(cell: str, name: str) -> None:
    for file in ("a/same.jpg", "b/same.jpg", "Lamp One.PNG"):
        image(file)
    imported(shop(["image"], [["a/same.jpg"], ["b/same.jpg"], ["Lamp One.PNG"]]))
    Path("pairs.csv").write_text(f'image_name,question,answer\n"{cell}",What color is it?,red\n')
    before = NamesBefore(Path("mine"))
    pairs, _ = read_csv_pairs(Path("pairs.csv"), dict, name_of=before.name_for)
    assert [pair.image_name for pair in pairs] == [name]


def test_a_csv_of_pairs_brings_its_images_to_where_validate_finds_them(
    project: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project(data={"root": "mine"}, generate={"annotator": "csv", "csv": "pairs.csv"})
    rng = random.Random(0)
    for number in range(12):
        noise = Image.frombytes("RGB", (20, 20), rng.randbytes(1200)).resize((80, 80))
        Path("photos").mkdir(exist_ok=True)
        noise.save(f"photos/{number}.png")
    rows = [[f"{n}.png", f"What color is part {k}?", "red"] for n in range(12) for k in "abc"]
    columns = ("image_name", "question", "answer")
    rows.append(["gone.png", "What is it?", "mug"])
    write_rows(Path("pairs.csv"), columns, [dict(zip(columns, row, strict=True)) for row in rows])
    generate.run()
    (Path("mine") / "images/small").mkdir(parents=True)
    with pytest.raises(InputError):
        validate.run()
    reasons = {row["detail"] for row in read_rows(Path("data/vqa/rejected.csv"), ("detail",))}
    assert (
        "no file mine/images/small/0./0.png; python src import pairs.csv --images FOLDER --out data/mine "
        "puts images where they are found" in reasons
    )
    run(Path("pairs.csv"), Path("photos"), Path("mine"))
    listings = read_listings(Path("mine"), ["0.jpg"], 20)
    assert listings is not None
    assert listings.read == 12  # one for each image, not for each pair
    generate.run()
    validate.run()
    assert read_json(Path("metrics/data.json"))["rejected"]["image_missing"] == 1


def test_generate_says_how_many_images_it_found_by_the_name_before(
    project: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project(data={"root": "mine"}, generate={"annotator": "csv", "csv": "pairs.csv"})
    image("a/one.png")
    imported(shop(["image"], [["a/one.png"]]))
    Path("pairs.csv").write_text("image_name,question,answer\na/one.png,What color is it?,red\n")
    generate.run()
    assert [row["image_name"] for row in read_rows(Path("data/vqa/generated.csv"), ("image_name",))] == [
        "one.jpg"
    ]
    assert "1 images are found by the names that they had before the import" in capsys.readouterr().out


def test_nothing_usable_ends_with_where_to_look() -> None:
    image("there.jpg")
    with pytest.raises(InputError, match=r"no row has an image that is usable; mine/left_out\.csv says why"):
        imported(shop(["image"], [["gone.jpg"]]))
    with pytest.raises(InputError, match="nowhere is no folder"):
        run(Path("products.csv"), Path("nowhere"), Path("mine"))
    Path("empty").mkdir()
    with pytest.raises(InputError, match="empty holds no image; images end in"):
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
