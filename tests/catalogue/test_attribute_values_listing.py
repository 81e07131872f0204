"""Fields of a listing, as ABO writes them and as others do."""

import pytest

from vqa.catalogue.attribute_values import has_plain_ids, image_ids, product_type, text_of, texts_of


def test_the_main_image_comes_first_and_what_is_no_text_is_left_out() -> None:
    listing = {"main_image_id": "front", "other_image_id": ["side", 7, None]}
    assert image_ids(listing) == ["front", "side"]
    assert not has_plain_ids(listing)
    assert has_plain_ids({"main_image_id": None, "other_image_id": "side"})
    assert image_ids({"other_image_id": "side"}) == ["side"]
    assert image_ids({}) == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("LAMP", "LAMP"),
        ([{"value": "LAMP"}, {"value": "SHADE"}], "LAMP"),
        (["LAMP"], "LAMP"),
        (None, "UNKNOWN"),
        ([], "UNKNOWN"),
        ([{"value": None}], "UNKNOWN"),
    ],
)
def test_a_product_type_is_read_from_a_string_or_a_list(value: object, kind: str) -> None:
    assert product_type(value) == kind


def of(text: object, language: str = "en_US", **more: object) -> dict[str, object]:
    return {"language_tag": language, "value": text, **more}


def test_texts_are_of_the_first_language_that_has_any_and_standardised_ones_come_first() -> None:
    german, british = of("Schuh", "de_DE"), of("Shoe &amp; lace ", "en_GB")
    assert texts_of([german, british], ["en_US", "en"]) == ["Shoe & lace"]
    assert texts_of([german, british], ["de_DE", "en"]) == ["Schuh"]
    assert texts_of([german], ["en"]) == []
    assert texts_of(of("Taupe", standardized_values=["Beige", None]), ["en_US"]) == ["Beige", "Taupe"]
    assert texts_of([of(" ", "en_US"), british], ["en_US", "en"]) == ["Shoe & lace"]


def test_a_text_without_a_language_counts_where_no_language_has_one() -> None:
    assert texts_of(["Lamp", 60, None, True], ["en"]) == ["Lamp", "60"]
    assert texts_of(["Lamp", of("Light")], ["en"]) == ["Light"]
    assert texts_of(["Lamp", of("Leuchte", "enx")], ["en"]) == ["Lamp"]  # enx is no kind of English


@pytest.mark.parametrize(
    ("value", "text"),
    [("red", "red"), (4, "4"), (1.5, "1.5"), (True, None), (["red"], None), ("\ud800", "?")],
)
def test_text_is_what_utf_8_can_hold(value: object, text: str | None) -> None:
    assert text_of(value) == text
