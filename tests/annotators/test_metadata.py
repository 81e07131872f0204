from typing import Any

from products import LAMP
from vqa.annotators.metadata import WORDINGS, pairs_of_product
from vqa.catalogue.abo import Product
from vqa.pairs.question_types import infer_question_type


def answers(**changes: Any) -> dict[str, str]:
    product = Product(**{**LAMP.__dict__, **changes})
    return {pair.question_type: pair.answer for pair in pairs_of_product(product, 9, seed=0)}


def test_every_attribute_becomes_one_word() -> None:
    assert answers() == {
        "category": "lamp",
        "color": "pink",
        "material": "cotton",
        "pattern": "plain",
        "shape": "round",
        "count": "3",
    }


def test_every_type_that_has_wordings_is_answered_and_read_from_each_of_them() -> None:
    assert answers().keys() == WORDINGS.keys()
    read = {kind: {infer_question_type(text) for text in texts} for kind, texts in WORDINGS.items()}
    assert read == {kind: {kind} for kind in WORDINGS}


def test_two_spellings_of_a_word_are_one_answer() -> None:
    assert answers(color="Grey")["color"] == answers(color="Dark Grey/Gray")["color"] == "gray"
    assert answers(material="Aluminium (100% aluminum)")["material"] == "aluminum"


def test_an_attribute_that_is_missing_or_ambiguous_is_not_asked_about() -> None:
    assert answers(color="Red and Blue", material=None, pattern="Polka Dot", name="Lamp").keys() == {
        "category",
        "shape",
    }
    assert "count" not in answers(name="Set of 3", bullets=("Pack of 2",))


def test_what_says_no_colour_is_no_label() -> None:
    for color in ("not black", "#FF0000", "ff0000", "assorted", "nan", "N/A", "RAL 9010", "None", "as shown"):
        assert "color" not in answers(color=color), color
    assert answers(material="Non-woven fabric", color="No. 7 Red")["material"] == "fabric"


def test_pairs_are_seeded_and_capped() -> None:
    assert pairs_of_product(LAMP, 2, seed=0) == pairs_of_product(LAMP, 9, seed=0)[:2]
    assert pairs_of_product(LAMP, 9, seed=0) == pairs_of_product(LAMP, 9, seed=0)
    assert any(pairs_of_product(LAMP, 9, seed) != pairs_of_product(LAMP, 9, 0) for seed in range(1, 5))
