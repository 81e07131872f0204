"""The reader of ABO's layout, on listings shaped like ABO's worst."""

import gzip
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.catalogue.abo import (
    Product,
    image_names,
    image_path,
    missing_parts,
    read_catalogue,
    read_listings,
    sample,
)
from vqa.core.errors import InputError

LANGUAGES = ["en_US", "en"]


def write_tree(root: Path, listings: list[dict[str, Any]], images: dict[str, str]) -> Path:
    """`images`: image_id → file name; every one is put on disk."""
    for folder in ("listings/metadata", "images/metadata"):
        (root / folder).mkdir(parents=True)
    with gzip.open(root / "listings/metadata/listings_0.json.gz", "wt") as file:
        file.writelines(json.dumps(listing) + "\n" for listing in listings)
    with gzip.open(root / "images/metadata/images.csv.gz", "wt") as file:
        file.write("image_id,height,width,path\n")
        file.writelines(f"{key},9,9,{name[:2]}/{name}\n" for key, name in images.items())
    for name in images.values():
        image_path(root, name).parent.mkdir(parents=True, exist_ok=True)
        image_path(root, name).touch()
    return root


def text(value: str, tag: str = "en_US", **more: Any) -> list[dict[str, Any]]:
    return [{"language_tag": tag, "value": value, **more}]


def test_texts_follow_the_language_order_and_are_unescaped(tmp_path: Path) -> None:
    listing = {
        "item_id": "B1",
        "main_image_id": "71a+b-cdefL",
        "item_name": text("Schuh", "de_DE") + text("Shoe &amp; Lace", "en_GB"),
        "color": text("Taupe", standardized_values=["Beige"]),
        "material": text("Leder", "de_DE"),
        "product_type": [{"value": "SHOES"}],
    }
    root = write_tree(tmp_path, [listing], {"71a+b-cdefL": "aa000000.jpg"})
    (product,) = read_catalogue(root, LANGUAGES, 20).products
    assert product.name == "Shoe & Lace"
    assert product.color == "Beige"  # the standardised value
    assert product.material is None  # German only
    assert product.product_type == "SHOES"
    assert product.image_name == "aa000000.jpg"


def test_listings_without_a_usable_image_are_counted_by_reason(tmp_path: Path) -> None:
    listings = [
        {"item_id": "B1"},
        {"item_id": "B2", "main_image_id": "unknown"},
        {"item_id": "B3", "main_image_id": "gone"},
        {"item_id": "B4", "main_image_id": "here", "product_type": "LAMP"},
    ]
    root = write_tree(tmp_path, listings, {"here": "aa000000.jpg", "gone": "bb000000.jpg"})
    image_path(root, "bb000000.jpg").unlink()
    catalogue = read_catalogue(root, LANGUAGES, 20)
    assert [product.product_type for product in catalogue.products] == ["LAMP"]
    assert catalogue.left_out == {
        "image_not_in_images_csv": 1,
        "image_not_on_disk": 1,
        "no_main_image": 1,
    }


def test_a_shared_image_is_one_product_and_a_boilerplate_image_none(tmp_path: Path) -> None:
    shared = [{"item_id": f"B{i}", "main_image_id": "shared"} for i in range(2)]
    shared[1]["item_name"] = text("Named")  # type: ignore[assignment]
    boilerplate = [{"item_id": f"C{i}", "main_image_id": "notice"} for i in range(3)]
    root = write_tree(tmp_path, shared + boilerplate, {"shared": "aa000000.jpg", "notice": "bb000000.jpg"})
    catalogue = read_catalogue(root, LANGUAGES, max_listings_per_image=2)
    assert [product.name for product in catalogue.products] == ["Named"]
    assert catalogue.left_out == {"boilerplate_image": 3, "shares_an_image": 1}


def test_a_sample_takes_types_in_turn_and_grows_without_moving() -> None:
    def product(number: int, product_type: str) -> Product:
        empty = dict.fromkeys(["name", "color", "material", "pattern", "shape", "description"])
        return Product(str(number), f"{number:08x}.jpg", product_type, bullets=(), **empty)

    products = [product(i, "CELLULAR_PHONE_CASE") for i in range(90)]
    products += [product(i, "LAMP") for i in range(90, 100)]
    first = sample(products, 10, seed=0)
    assert sum(p.product_type == "LAMP" for p in first) == 5
    assert sample(products[::-1], 30, seed=0)[:10] == first
    assert sample(products, 10, seed=1) != first


def test_missing_folders_and_torn_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.root is '.*nowhere', but there is no such folder"):
        read_catalogue(tmp_path / "nowhere", LANGUAGES, 20)
    root = write_tree(tmp_path / "tree", [{"item_id": "B1"}], {})
    shard = root / "listings/metadata/listings_0.json.gz"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"listings_0\.json\.gz, line 1: not readable"):
        read_catalogue(root, LANGUAGES, 20)
    shard.unlink()
    with pytest.raises(InputError, match=r"holds no listings_\*\.json\.gz"):
        read_catalogue(root, LANGUAGES, 20)
    (root / "images/metadata/images.csv.gz").unlink()
    with pytest.raises(InputError, match=r"images\.csv\.gz is missing"):
        read_catalogue(root, LANGUAGES, 20)


def test_the_real_sample_reads_as_documented(shared: Path) -> None:
    catalogue = read_catalogue(shared / "abo", LANGUAGES, 20)
    assert len(catalogue.products) == 603
    assert catalogue.left_out == {"image_not_in_images_csv": 4, "no_main_image": 1}


def unpacked(path: Path) -> None:
    """As gunzip does it."""
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()


TWO_VIEWS = {"item_id": "B1", "main_image_id": "front", "other_image_id": ["back"], "product_type": "LAMP"}
VIEWS = {"front": "aa000000.jpg", "back": "bb000000.jpg", "else": "cc000000.jpg"}
TIED = [["aa000000.jpg", "bb000000.jpg"]]


def test_unpacked_listings_and_images_csv_are_read_as_packed_ones(tmp_path: Path) -> None:
    root = write_tree(tmp_path, [TWO_VIEWS], VIEWS)
    packed = read_listings(root, VIEWS.values(), 20), read_catalogue(root, LANGUAGES, 20)
    for path in (root / "listings/metadata/listings_0.json.gz", root / "images/metadata/images.csv.gz"):
        unpacked(path)
        assert (read_listings(root, VIEWS.values(), 20), read_catalogue(root, LANGUAGES, 20)) == packed
    assert packed[0] is not None
    assert packed[0].together == TIED
    # A browser that unpacked it on its way keeps the name; Kaggle makes a folder of it.
    plain = root / "listings/metadata/listings_0.json"
    plain.rename(plain.with_name("listings_0.json.gz"))
    assert read_listings(root, VIEWS.values(), 20) == packed[0]
    content = plain.with_name("listings_0.json.gz").read_bytes()
    plain.with_name("listings_0.json.gz").unlink()
    plain.mkdir()
    (plain / "listings_0.json").write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n\r\n"))
    assert read_listings(root, VIEWS.values(), 20) == packed[0]


def test_a_listing_file_that_lies_there_packed_and_unpacked_is_read_once(tmp_path: Path) -> None:
    root = write_tree(tmp_path, [TWO_VIEWS], VIEWS)
    torn = root / "listings/metadata/listings_0.json"
    torn.write_text(json.dumps(TWO_VIEWS)[:20])  # what a gunzip that was killed leaves
    listings = read_listings(root, VIEWS.values(), 20)
    assert listings is not None
    assert (listings.read, listings.together) == (1, TIED)


def test_listings_that_name_unknown_images_are_counted(tmp_path: Path) -> None:
    half_known = {"item_id": "B2", "main_image_id": "else", "other_image_id": "gone"}
    unknown = {"item_id": "B3", "main_image_id": "lost"}
    root = write_tree(tmp_path, [TWO_VIEWS, half_known, unknown, {"item_id": "B4"}], VIEWS)
    listings = read_listings(root, VIEWS.values(), 20)
    assert listings is not None
    assert (listings.read, listings.with_unknown_images, listings.together) == (4, 2, TIED)
    assert listings.types["cc000000.jpg"] == "UNKNOWN"


def test_listings_of_one_item_id_are_one_product_and_where_nothing_ties_anything_it_is_said(
    tmp_path: Path,
) -> None:
    one = [{"item_id": "B1", "main_image_id": name} for name in ("front", "back")]
    root = write_tree(tmp_path, [*one, {"item_id": "B2", "main_image_id": "else"}, {"item_id": ""}], VIEWS)
    listings = read_listings(root, VIEWS.values(), 20)
    assert listings is not None
    assert listings.together == TIED
    assert missing_parts(root, listings, VIEWS.values()) == []
    (said,) = missing_parts(root, listings, ["aa000000.jpg", "cc000000.jpg"])
    assert said == (
        "no listing of the 4 ties two images (by other_image_id, or an item_id that is there twice): only "
        "near duplicates keep images of one product in one split"
    )


def test_listings_that_name_none_of_the_images_stop_and_no_listings_folder_does_not(tmp_path: Path) -> None:
    root = write_tree(tmp_path, [{"item_id": "B1", "main_image_id": "lost"}], VIEWS)
    sentence = (
        r"none of its 1 listings names one of the 3 images in use \(1 have ids that images\.csv lacks\)"
    )
    with pytest.raises(InputError, match=sentence):
        read_listings(root, VIEWS.values(), 20)
    shard = root / "listings/metadata/listings_0.json.gz"
    shard.rename(shard.with_name("products.json.gz"))
    with pytest.raises(InputError, match=r"listings holds no listings_\*\.json\.gz"):
        read_listings(root, VIEWS.values(), 20)
    shard.with_name("products.json.gz").unlink()
    for folder in (root / "listings/metadata", root / "listings"):
        folder.rmdir()
    assert read_listings(root, VIEWS.values(), 20) is None


@pytest.mark.parametrize("name", ["Listings", "LISTINGS", "abo-listings", "listing"])
def test_a_listings_folder_of_another_spelling_is_named(tmp_path: Path, name: str) -> None:
    root = write_tree(tmp_path, [TWO_VIEWS], VIEWS)
    (root / "listings").rename(root / name)
    with pytest.raises(InputError, match=rf"{name} is not read under that name; rename it to .*/listings$"):
        read_listings(root, VIEWS.values(), 20)


def test_fields_of_other_catalogues_are_read_as_what_they_mean(tmp_path: Path) -> None:
    plain = {
        "item_id": None,
        "main_image_id": "front",
        "item_name": "Lamp",
        "color": {"language_tag": "en_US", "value": "Taupe", "standardized_values": "Beige"},
        "material": [{"language_tag": "en_US", "value": "Wood", "standardized_values": None}],
        "bullet_point": ["Bright", 60, None],
        "product_type": ["LAMP"],
    }
    root = write_tree(tmp_path, [plain, TWO_VIEWS], VIEWS)
    (product,) = read_catalogue(root, LANGUAGES, 20).products  # the named one, though its id is null
    assert (product.item_id, product.product_type, product.name) == ("", "LAMP", "Lamp")
    assert (product.color, product.material, product.bullets) == ("Beige", "Wood", ("Bright", "60"))


def test_a_main_image_that_is_no_text_is_left_out_and_the_other_listings_go_on(tmp_path: Path) -> None:
    odd = {"item_id": "B2", "main_image_id": ["back"], "product_type": "LAMP"}
    root = write_tree(tmp_path, [odd, TWO_VIEWS], VIEWS)
    catalogue = read_catalogue(root, LANGUAGES, 20)
    assert [product.item_id for product in catalogue.products] == ["B1"]
    assert catalogue.left_out == {"main_image_id_is_no_text": 1}
    listings = read_listings(root, VIEWS.values(), 20)
    assert listings is not None
    assert (listings.read, listings.with_unknown_images, listings.together) == (2, 1, TIED)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["front", "en_US", "\ud800", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["language_tag", "value", "standardized_values"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
KEYS = ["item_id", "main_image_id", "other_image_id", "product_type", "item_name", "color", "bullet_point"]


@settings(max_examples=150, deadline=None)
@given(odd=st.lists(st.dictionaries(st.sampled_from(KEYS), JSON), max_size=4))
def test_whatever_a_listing_holds_the_others_go_on(
    tmp_path_factory: pytest.TempPathFactory, odd: list[dict[str, Any]]
) -> None:
    root = write_tree(tmp_path_factory.mktemp("odd"), [*odd, TWO_VIEWS], VIEWS)
    catalogue = read_catalogue(root, LANGUAGES, 20)
    assert len(catalogue.products) + sum(catalogue.left_out.values()) == len(odd) + 1
    for product in catalogue.products:
        "".join([product.item_id, product.product_type, product.name or "", *product.bullets]).encode()
    listings = read_listings(root, VIEWS.values(), 20)
    assert listings is not None
    assert listings.read == len(odd) + 1
    assert TIED[0] in listings.together


@pytest.mark.parametrize("line", ["[1]", "null", "{", "[" * 100_000])
def test_a_line_that_is_no_listing_is_named(tmp_path: Path, line: str) -> None:
    root = write_tree(tmp_path, [TWO_VIEWS], VIEWS)
    (root / "listings/metadata/listings_1.json").write_text(f"{json.dumps(TWO_VIEWS)}\n{line}\n")
    with pytest.raises(InputError, match=r"listings_1\.json, line 2: not readable"):
        read_listings(root, VIEWS.values(), 20)


def test_a_row_of_images_csv_without_a_path_is_named(tmp_path: Path) -> None:
    root = write_tree(tmp_path, [TWO_VIEWS], VIEWS)
    (root / "images/metadata/images.csv.gz").write_bytes(b"image_id,height,width,path\nfront,9,9\n")
    with pytest.raises(InputError, match=r"images\.csv\.gz is not ABO's images\.csv"):
        image_names(root)


def test_a_name_that_no_pair_can_carry_is_left_out_before_it_is_asked_about(tmp_path: Path) -> None:
    images = {"a": "lamp (1).jpg", "b": "men's shoe.jfif", "c": "lamp.heic"}
    root = write_tree(tmp_path, [{"item_id": key, "main_image_id": key} for key in images], images)
    catalogue = read_catalogue(root, LANGUAGES, 20)
    assert [product.image_name for product in catalogue.products] == ["lamp (1).jpg", "men's shoe.jfif"]
    assert catalogue.left_out == {"bad_image_name": 1}


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
@pytest.mark.parametrize("name", ["café.jpg", "élan.jpg"])
def test_accents_composed_or_not_name_the_same_image(
    tmp_path: Path, name: str, in_table: Any, on_disk: Any
) -> None:
    listing = {"item_id": "B1", "main_image_id": "a"}
    root = write_tree(tmp_path, [listing], {"a": unicodedata.normalize(in_table, name)})
    for path in (root / "images/small").glob("*/*"):
        path.unlink()
    there = unicodedata.normalize(on_disk, name)
    file = root / "images/small" / there[:2] / there
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"here")
    (product,) = read_catalogue(root, LANGUAGES, 20).products
    assert product.image_name == name  # composed
    assert image_path(root, product.image_name).read_bytes() == b"here"
    moved = (
        root / "images/small" / unicodedata.normalize(on_disk, name[:2])
    )  # as a Mac copies a composed folder
    if moved != file.parent:
        file.parent.rename(moved)
    assert image_path(root, product.image_name).read_bytes() == b"here"
