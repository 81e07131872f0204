"""What the catalogue says of an answer, and that it is silent on the parts of a product."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from vqa.catalogue.abo import Product
from vqa.label_checks.listing import Catalogue, of_root, thing_asked_about, votes
from vqa.label_checks.vote import SILENT, Vote
from vqa.pairs.pair import Pair


def product(image: str = "a.jpg", kind: str = "SHOES", **attributes: str) -> Product:
    texts = dict.fromkeys(("name", "color", "material", "pattern", "shape", "description")) | attributes
    return Product(item_id="1", image_name=image, product_type=kind, bullets=(), **texts)


SHOE = product(name="find. Women's Leather Ballet Flats, Navy, 5 UK", color="Navy", material="Leather")
CASE = product(
    "b.jpg", "CELLULAR_PHONE_CASE", name="Solimo Designer Mobile Cover, Set of 2", pattern="Floral"
)
CLOCK = product("c.jpg", "CLOCK", name="Rivet Wall Clock", shape="Round")
CATALOGUE = Catalogue.of([SHOE, CASE, CLOCK])


def nothing_alike(answers: Sequence[str], stated: Sequence[str]) -> list[float]:
    return [0.0] * len(answers)


def said(question: str, answer: str, kind: str, image: str = "a.jpg") -> str:
    pair = Pair(image, question, answer, kind)
    return votes([pair], CATALOGUE, nothing_alike, 0.5)[0].says


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("What color is the shoe?", ["shoe"]),
        ("What is the main color of the shoes in the image?", ["shoe"]),
        ("What is the suitcase's main color?", ["suitcase"]),
        ("What is shown here?", []),
        ("What color is the product?", []),
        ("Which material is used for the phone case?", ["phone", "case"]),
        ("How many cushions are shown?", ["cushion"]),
        ("What color is the sole of the shoe?", None),
        ("What color is the shoe's sole?", None),
        ("What is the color of the text on the case?", None),
        ("What color are the flowers on the dress?", None),
    ],
)
def test_a_question_asks_about_one_thing_or_a_part_of_it(question: str, thing: list[str] | None) -> None:
    assert thing_asked_about(question) == thing


def test_it_speaks_of_the_product_by_its_type_or_the_head_of_its_name() -> None:
    assert said("What color is the shoe?", "blue", "color") == "agrees"
    assert said("What color are the ballet flats?", "red", "color") == "contradicts"
    assert said("What color is the product?", "red", "color") == "contradicts"
    assert said("What is the shoe made of?", "leather", "material") == "agrees"
    assert said("What pattern is on the phone case?", "floral", "pattern", "b.jpg") == "agrees"
    assert said("What pattern is on the cover?", "striped", "pattern", "b.jpg") == "contradicts"
    assert said("What shape is the wall clock?", "square", "shape", "c.jpg") == "contradicts"


def test_it_is_silent_on_parts_other_things_and_what_it_does_not_state() -> None:
    assert said("What color is the sole?", "red", "color") == ""
    assert said("What color is the background?", "white", "color") == ""
    assert said("What color is the phone?", "red", "color", "b.jpg") == ""  # the case is sold, not the phone
    assert said("What color is the clock?", "red", "color", "c.jpg") == ""  # no colour is stated
    assert said("What color is the shoe?", "red", "color", "unlisted.jpg") == ""
    assert said("Where is the shoe?", "left", "position") == ""


def test_a_type_contradicts_another_types_word_only_where_the_name_bears_it_out() -> None:
    assert said("What is shown here?", "clock", "category", "c.jpg") == "agrees"
    assert said("What is shown here?", "shoe", "category", "c.jpg") == "contradicts"
    assert said("What is shown here?", "flats", "category") == "agrees"  # by its name
    assert said("What is shown here?", "clock", "category") == ""  # no shoe in the name of SHOES
    assert said("What is shown here?", "timepiece", "category", "c.jpg") == ""


def test_a_stated_number_of_pieces_agrees_and_never_contradicts() -> None:
    assert said("How many phone cases are shown?", "2", "count", "b.jpg") == "agrees"
    assert said("How many phone cases are shown?", "1", "count", "b.jpg") == ""


def test_words_that_the_table_lacks_agree_where_their_meaning_is_near_enough() -> None:
    asked: list[tuple[str, str]] = []

    def alike(answers: Sequence[str], stated: Sequence[str]) -> list[float]:
        asked.extend(zip(answers, stated, strict=True))
        return [0.7 if answer == "timepiece" else 0.4 for answer in answers]

    question = "What is shown here?"
    pairs = [Pair("c.jpg", question, word, "category") for word in ("timepiece", "gizmo", "clock")]
    found = votes([*pairs, Pair("a.jpg", "What color is it?", "puce", "color")], CATALOGUE, alike, 0.5)
    assert asked == [("timepiece", "clock"), ("gizmo", "clock")]  # colours are not asked about
    assert found == [
        Vote("agrees", "category: clock"),
        SILENT,
        Vote("agrees", "category: clock"),
        SILENT,
    ]


def test_images_without_listings_have_a_silent_catalogue(tmp_path: Path) -> None:
    assert of_root(tmp_path, ["en"], 20) == Catalogue.of([])
