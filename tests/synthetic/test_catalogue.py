"""The drawn catalogue: balanced, deterministic, and only attributes decide an image's labels."""

from collections import Counter
from pathlib import Path

from vqa.annotators.metadata import pairs_of_product
from vqa.catalogue.abo import image_path, read_catalogue
from vqa.synthetic.catalogue import draw_items, write_catalogue
from vqa.synthetic.drawing import ATTRIBUTES


def test_every_value_of_an_attribute_occurs_equally_often() -> None:
    items = draw_items(420, seed=0)
    for name, table in ATTRIBUTES.items():
        counts = Counter(getattr(item, name) for item in items)
        assert set(counts.values()) == {420 // len(table)}


def test_the_catalogue_is_byte_identical_for_a_seed(tmp_path: Path) -> None:
    for run in ("a", "b"):
        write_catalogue(tmp_path / run, draw_items(6, seed=3), seed=3)
    files = [p.relative_to(tmp_path / "a") for p in sorted((tmp_path / "a").rglob("*")) if p.is_file()]
    assert len(files) == 6 + 1 + 16
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_the_abo_reader_and_the_annotator_find_every_attribute(catalogue: Path) -> None:
    products = read_catalogue(catalogue, ["en_US"], 20).products
    assert len(products) == 30
    assert all(image_path(catalogue, product.image_name).is_file() for product in products)
    for product in products:
        types = {pair.question_type for pair in pairs_of_product(product, 9, seed=0)}
        assert types >= {"category", "color", "shape", "material", "pattern"}
    found = Counter(pair.answer for product in products for pair in pairs_of_product(product, 9, seed=0))
    assert found["1"] + found["2"] + found["3"] + found["4"] == 30
