"""What `python src import` understands of shops' exports: each row of the table in docs/catalogue.md."""

import csv
import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from paths import ROOT
from vqa.annotators.metadata import pairs_of
from vqa.catalogue.abo import Catalogue, Product, read_catalogue, read_listings

run = import_module("vqa.cli.import_").run
SHOP = "https://shop.example/files"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def draw(*names: str) -> None:
    """Images of one colour each, told apart by their bytes."""
    for number, name in enumerate(names):
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (20 + number * 7 % 200, 90, 30)).save(path)


def imported(text: str, delimiter: str = ",") -> dict[str, Product]:
    """Main image → its product, of a spreadsheet's text."""
    Path("products.csv").write_text(text, encoding="utf-8")
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    assert len({len(row) for row in rows}) == 1, "every row fits the header"
    run(Path("products.csv"), Path("photos"), Path("mine"))
    return {product.image_name: product for product in catalogue().products}


def catalogue() -> Catalogue:
    return read_catalogue(Path("mine"), ["en_US", "en"], 20)


def tied() -> set[frozenset[str]]:
    """The images that listings keep together."""
    names = [path.name for path in Path("mine/images/small").rglob("*.jpg")]
    listings = read_listings(Path("mine"), names, 20)
    assert listings is not None
    found: set[frozenset[str]] = set()
    for images in map(frozenset, listings.together):
        touched = {group for group in found if group & images}
        found = (found - touched) | {images.union(*touched)}
    return found


def labels(products: Mapping[str, Product]) -> dict[str, dict[str, str]]:
    """Image → question type → answer, of the pairs that the metadata annotator makes."""
    found: dict[str, dict[str, str]] = {name: {} for name in products}
    for pair in pairs_of(products.values(), 9, 0):
        found[pair.image_name][pair.question_type] = pair.answer
    return found


def table(header: str, *rows: Sequence[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([header.split(","), *rows])
    return written.getvalue()


SHOPIFY = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,"
    "Variant SKU,Image Src,Image Position,Variant Image,Status"
)
SHOPIFY_2025 = (
    "Title,URL handle,Description,Vendor,Product category,Type,Tags,Published on online store,Status,SKU,"
    "Option1 name,Option1 value,Product image URL,Image position,Variant image URL"
)


def test_shopify_colours_are_the_variants_and_rows_of_a_handle_one_product(
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw("front.jpg", "back.jpg", "red.jpg", "blue.jpg", "lamp.jpg", "lamp-2.jpg")
    shirt, cdn = "Apparel & Accessories > Clothing > Shirts & Tops", "https://cdn.shopify.example/s/files"
    rows = [
        ["tee", "Tee", "<p>Soft &amp; warm</p>", "Acme", shirt, "T-Shirts", "", "TRUE", "Color", "Red",
         "TEE-R", f"{cdn}/front.jpg?v=1577", "1", f"{cdn}/red.jpg?v=1577", "active"],
        ["tee", "", "", "", "", "", "", "", "", "Blue", "TEE-B", f"{cdn}/back.jpg?v=1577", "2",
         f"{cdn}/blue.jpg?v=1577", ""],
        ["lamp", "Lamp", "", "Acme", "Home & Garden > Lighting > Lamps", "Lamp", "", "TRUE", "Title",
         "Default Title", "LAMP", f"{cdn}/lamp.jpg?v=9", "1", "", "active"],
        ["lamp", "", "", "", "", "", "", "", "", "", "", f"{cdn}/lamp-2.jpg?v=9", "2", "", ""],
    ]  # fmt: skip
    products = imported(table(SHOPIFY, *rows))
    assert {name: product.color for name, product in products.items()} == {
        "front.jpg": None,  # the product's, of which no row says whether it is red or blue
        "back.jpg": None,
        "red.jpg": "Red",
        "blue.jpg": "Blue",
        "lamp.jpg": None,
        "lamp-2.jpg": None,
    }
    assert {product.description for product in products.values()} == {"Soft & warm", None}
    of_category = {name: found["category"] for name, found in labels(products).items()}
    assert of_category == {**dict.fromkeys(products, "shirt"), "lamp.jpg": "lamp", "lamp-2.jpg": "lamp"}
    assert tied() == {
        frozenset({"front.jpg", "back.jpg", "red.jpg", "blue.jpg"}),
        frozenset({"lamp.jpg", "lamp-2.jpg"}),
    }
    assert "6 products with 6 of 6 images" in capsys.readouterr().out


def test_shopify_s_headers_of_2025_are_read_as_the_older_ones() -> None:
    draw("mug.jpg", "mug-2.jpg")
    rows = [
        ["Mug", "mug", "A mug", "Acme", "Kitchen > Mugs", "", "", "TRUE", "Active", "M1", "Colour", "Green",
         f"{SHOP}/mug.jpg", "1", ""],
        ["", "mug", "", "", "", "", "", "", "", "", "", "", f"{SHOP}/mug-2.jpg", "2", ""],
    ]  # fmt: skip
    products = imported(table(SHOPIFY_2025, *rows))
    assert labels(products) == {
        name: {"category": "mug", "color": "green"} for name in ("mug.jpg", "mug-2.jpg")
    }
    assert tied() == {frozenset({"mug.jpg", "mug-2.jpg"})}


WOOCOMMERCE = (
    "ID,Type,SKU,Name,Published,Description,Categories,Images,Parent,Attribute 1 name,Attribute 1 value(s)"
)


def test_woocommerce_rows_take_their_kind_from_the_product_and_never_from_type(
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw("shirt.jpg", "shirt-back.jpg", "shirt-red.jpg", "shirt-blue.jpg", "mug.jpg")
    rows = [
        ["10", "variable", "S", "Shirt", "1", "Fine", "Clothing > Shirts, Sale",
         f"{SHOP}/shirt.jpg, {SHOP}/shirt-back.jpg", "", "Color", "Red, Blue"],
        ["11", "variation", "S-R", "Shirt - red", "1", "", "", f"{SHOP}/shirt-red.jpg", "S", "Color", "Red"],
        ["12", "variation", "S-B", "Shirt - blue", "1", "", "", f"{SHOP}/shirt-blue.jpg", "id:10", "Color",
         "Blue"],
        ["13", "simple", "M", "Mug", "1", "", "Kitchen > Mugs", f"{SHOP}/mug.jpg", "", "", ""],
    ]  # fmt: skip
    products = imported(table(WOOCOMMERCE, *rows))
    assert labels(products) == {
        "shirt.jpg": {"category": "shirt"},  # it is red and blue
        "shirt-red.jpg": {"category": "shirt", "color": "red"},
        "shirt-blue.jpg": {"category": "shirt", "color": "blue"},
        "mug.jpg": {"category": "mug"},
    }
    assert tied() == {frozenset({"shirt.jpg", "shirt-back.jpg", "shirt-red.jpg", "shirt-blue.jpg"})}
    said = capsys.readouterr().out
    assert "column 'type' is not read as kind: its values are such as variation, variable, simple" in said
    assert "kind, from 'categories': shirt 3, mug 1 (the commonest of 2)" in said
    assert 'color, from "an attribute\'s columns": red, blue 1, red 1, blue 1' in said


MAGENTO = (
    "sku,store_view_code,attribute_set_code,product_type,categories,product_websites,name,description,base_image,"
    "small_image,additional_images,additional_attributes,configurable_variations"
)


def test_magento_products_are_their_variations_and_their_galleries() -> None:
    draw(
        "w/s/ws-main.jpg", "w/s/ws-back.jpg", "w/s/ws-blue.jpg", "m/b/mb.jpg", "m/b/mb-2.jpg", "m/b/mb-3.jpg"
    )
    tops = "Default Category/Women|Default Category/Women/Tops/Jackets"
    rows = [
        ["WS-Blue", "", "Top", "simple", tops, "base", "Jacket-Blue", "", "/w/s/ws-blue.jpg",
         "/w/s/ws-blue.jpg", "", "color=Blue,material=Cotton,pattern=Solid", ""],
        ["WS", "", "Top", "configurable", tops, "base", "Jacket", "", "/w/s/ws-main.jpg", "",
         "/w/s/ws-main.jpg,/w/s/ws-back.jpg", "material=Cotton",
         "sku=WS-Blue,size=S,color=Blue|sku=WS-Red,size=S"],
        ["MB", "", "Bag", "simple", "Default Category/Gear,Default Category/Gear/Bags", "base", "Bag", "",
         "/m/b/mb.jpg", "", "/m/b/mb.jpg,/m/b/mb-2.jpg,/m/b/mb-3.jpg", "color=Black", ""],
    ]  # fmt: skip
    products = imported(table(MAGENTO, *rows))
    assert labels(products) == {
        "ws-blue.jpg": {"category": "jacket", "color": "blue", "material": "cotton", "pattern": "solid"},
        "ws-main.jpg": {"category": "jacket", "material": "cotton", "pattern": "solid"},
        "mb.jpg": {"category": "bag", "color": "black"},
    }
    assert tied() == {
        frozenset({"ws-blue.jpg", "ws-main.jpg", "ws-back.jpg"}),
        frozenset({"mb.jpg", "mb-2.jpg", "mb-3.jpg"}),
    }


MERCHANT = (
    "id,title,description,link,image link,additional image link,availability,price,google product category,"
    "product type,color,material,item group id"
)


def test_google_merchant_items_of_a_group_are_one_product(capsys: pytest.CaptureFixture[str]) -> None:
    draw("rug-red.jpg", "rug-blue.jpg", "rug-side.jpg", "cup.jpg")
    rows = [
        ["R1", "Rug red", "", SHOP, f"{SHOP}/rug-red.jpg?w=800", f"{SHOP}/rug-side.jpg", "in stock", "9 EUR",
         "598", "Home > Rugs", "Red", "Wool", "R"],
        ["R2", "Rug blue", "", SHOP, f"{SHOP}/rug-blue.jpg?w=800", f"{SHOP}/rug-side.jpg", "in stock",
         "9 EUR", "598", "Home > Rugs", "Blue/White", "Wool", "R"],
        ["C1", "Cup", "", SHOP, f"{SHOP}/cup.jpg", "", "in stock", "5 EUR", "2169", "Kitchen > Cups",
         "assorted", "", ""],
    ]  # fmt: skip
    products = imported(table(MERCHANT, *rows))
    assert labels(products) == {
        "rug-red.jpg": {"category": "rug", "color": "red", "material": "wool"},
        "rug-blue.jpg": {"category": "rug", "material": "wool"},
        "cup.jpg": {"category": "cup"},
    }
    assert frozenset({"rug-red.jpg", "rug-blue.jpg", "rug-side.jpg"}) in tied()
    said = capsys.readouterr().out
    assert "2 rows are tied to 1 products by 'item_group_id' and equal ids; the largest has 2 rows" in said
    assert "color: 1 rows say none: 'assorted' 1" in said
    assert "1 images are named by rows of several ids (2 in all; rug-side.jpg by R1, R2)" in said


def test_kaggle_s_fashion_set_names_its_images_by_id(capsys: pytest.CaptureFixture[str]) -> None:
    draw("15970.jpg", "39386.jpg", "59263.jpg")
    Path("styles.csv").write_text(
        "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName\n"
        "15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Turtle Check Men Navy Blue Shirt\n"
        "39386,Men,Apparel,Bottomwear,Jeans,Blue,Summer,2012,Casual,Peter England Men Party Blue Jeans\n"
        "59263,Women,Accessories,Watches,Watches,NA,Winter,2016,Casual,Titan Women Watch\n"
        "6394,Men,Footwear,Shoes,Casual Shoes,Black,Summer,2011,Casual,Shoes, with a comma too many\n"
    )
    run(Path("styles.csv"), Path("photos"), Path("mine"))
    products = {product.image_name: product for product in catalogue().products}
    assert labels(products) == {
        "15970.jpg": {"category": "shirt"},  # navy blue is two colours that are known
        "39386.jpg": {"category": "jeans", "color": "blue"},
        "59263.jpg": {"category": "watch"},
    }
    said = capsys.readouterr().out
    assert "no column names the images; their files are called as 'id' says" in said
    assert "nothing ties images of one product" in said
    assert "1 rows are left out (1 × line 5" in said


def test_the_page_says_what_is_understood_of_each() -> None:
    page = (ROOT / "docs/catalogue.md").read_text()
    for shop in ("Shopify", "WooCommerce", "Magento", "Google Merchant", "Kaggle's fashion set"):
        assert f"\n| {shop} |" in page


def faults(shared: Path) -> Path:
    folder = shared / "faults/turn3"
    if not folder.is_dir():
        pytest.skip("the folder of inputs that went in wrong is not there")
    return folder


def drawn_urls(table_of: Path, column: str, delimiter: str = ",") -> list[dict[str, str]]:
    """The rows, once each file that a URL of theirs ends in was drawn."""
    with table_of.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=delimiter))
    draw(*(url.strip().rsplit("/", 1)[-1] for row in rows for url in row[column].split(",")))
    return rows


def test_of_a_list_in_a_cell_the_first_is_the_one_that_colour_and_kind_are_of(shared: Path) -> None:
    given = faults(shared) / "list_in_a_cell/products.csv"
    rows = drawn_urls(given, "images")
    run(given, Path("photos"), Path("mine"))
    products = catalogue().products
    assert {(p.item_id, p.image_name, p.color) for p in products} == {
        (row["sku"], row["images"].split(",")[0].rsplit("/", 1)[-1], row["color"]) for row in rows
    }
    images = {url.strip().rsplit("/", 1)[-1] for row in rows for url in row["images"].split(",")}
    assert {path.name for path in Path("mine/images/small").rglob("*.jpg")} == images
    assert tied() == {
        frozenset(url.strip().rsplit("/", 1)[-1] for url in row["images"].split(",")) for row in rows
    }


def test_an_image_that_is_missing_is_not_another_folder_s(shared: Path) -> None:
    given = faults(shared) / "import_fallback/products.csv"
    with given.open() as file:
        rows = list(csv.DictReader(file))
    draw("P03/detail.jpg", *(row["image"] for row in rows if "main" in row["image"]))
    run(given, Path("photos"), Path("mine"))
    owners = {product.image_name: product.item_id for product in catalogue().products}
    assert owners == {f"P{n:02}-main.jpg": f"P{n:02}" for n in range(12)} | {"detail.jpg": "P03"}
    with Path("mine/left_out.csv").open() as file:
        left_out = {row["image"]: row["reason"] for row in csv.DictReader(file)}
    assert left_out == {
        f"P{n:02}/detail.jpg": "no image's path ends in all of this; there is P03/detail.jpg"
        for n in range(12)
        if n != 3
    }


@pytest.mark.parametrize(
    ("name", "column", "group"),
    [("feed.tsv", "image_link", "item_group_id"), ("product_images.csv", "image", "product_id")],
)
def test_rows_of_a_feed_stay_with_their_product(shared: Path, name: str, column: str, group: str) -> None:
    given = faults(shared) / "merchant_feed" / name
    rows = drawn_urls(given, column, "\t" if name.endswith("tsv") else ",")
    run(given, Path("photos"), Path("mine"))
    assert len(catalogue().products) == len(rows)
    groups = {
        frozenset(other[column].rsplit("/", 1)[-1] for other in rows if other[group] == row[group])
        for row in rows
    }
    assert tied() == {images for images in groups if len(images) > 1}


def test_woocommerce_s_export_asks_for_what_is_shown(shared: Path) -> None:
    given = faults(shared) / "woocommerce/wc-product-export.csv"
    rows = drawn_urls(given, "Images")
    run(given, Path("photos"), Path("mine"))
    found = labels({product.image_name: product for product in catalogue().products})
    assert len(found) == len(rows)
    assert {image: of_one["category"] for image, of_one in found.items()} == {
        image: image.split("-")[0] for image in found
    }


def test_the_group_is_the_surest_column_whichever_the_first_row_fills() -> None:
    draw("a.jpg", "a1.jpg", "b.jpg", "b1.jpg")
    imported(
        "sku,image,name,category,color,parent,model\n"
        "a,a.jpg,Mug A,Mugs,red,,Classic\n"
        "a1,a1.jpg,Mug A1,Mugs,blue,a,Retro\n"
        "b,b.jpg,Mug B,Mugs,green,,Retro\n"
        "b1,b1.jpg,Mug B1,Mugs,black,b,Classic\n"
    )
    assert tied() == {frozenset({"a.jpg", "a1.jpg"}), frozenset({"b.jpg", "b1.jpg"})}


def test_a_column_of_more_images_that_the_user_names_is_read() -> None:
    draw("a.jpg", "a1.jpg", "a2.jpg")
    Path("products.csv").write_text("sku,image,Galerie\na,a.jpg,a1.jpg|a2.jpg\n")
    run(Path("products.csv"), Path("photos"), Path("mine"), ["more_images=Galerie"])
    assert tied() == {frozenset({"a.jpg", "a1.jpg", "a2.jpg"})}


@pytest.mark.parametrize(
    "columns", ["image1,image2,image3", "Image 1 URL,Image 2 URL,Image 3 URL", "img_1,img_2,img_3"]
)
def test_numbered_columns_are_images_of_one_product(columns: str) -> None:
    draw("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    products = imported(f"id,title,color,{columns}\n1,Mug,red,a.jpg,b.jpg,c.jpg\n2,Cup,blue,d.jpg,,\n")
    assert sorted(product.color or "" for product in products.values()) == ["blue", "red"]
    assert [len(images) for images in tied()] == [3]


def test_an_image_s_numbered_columns_are_further_ones_of_its_row() -> None:
    draw("a.jpg", "b.jpg", "c.jpg")
    imported("id,title,image,image_2,image_3\n1,Mug,a.jpg,b.jpg,c.jpg\n")
    assert [len(images) for images in tied()] == [3]


def test_a_group_column_that_is_not_used_and_would_tie_more_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
    rows = "1,A,x,a.jpg\n2,A,x,b.jpg\n3,B,x,c.jpg\n4,B,x,d.jpg\n5,C,y,e.jpg\n"
    imported(f"id,item_group_id,model,image\n{rows}")
    said = capsys.readouterr().out
    assert "column 'model' is not used: it would tie 2 products to 1 more; --column group=model" in said


def test_a_name_may_begin_with_a_number_sign() -> None:
    draw("a.jpg", "b.jpg")
    products = imported("id,title,image\n1,#1 Dad mug,a.jpg\n2,#REF!,b.jpg\n")
    assert sorted(product.name or "" for product in products.values()) == ["", "#1 Dad mug"]
