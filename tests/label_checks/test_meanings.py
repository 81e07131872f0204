"""What a listing states against what was answered, word by word."""

import pytest

from vqa.label_checks.meanings import MEANINGS, compared, singular


@pytest.mark.parametrize(
    ("question_type", "answer", "stated", "says"),
    [
        ("color", "black", "Black", "agrees"),
        ("color", "gray", "Grey", "agrees"),
        ("color", "grey", "light gray", "agrees"),
        ("color", "blue", "navy/cobalt", "agrees"),
        ("color", "white", "White, Oak Sonoma", "agrees"),
        ("color", "red", "Navy", "contradicts"),
        ("color", "blue", "Scopic Black", "contradicts"),
        ("color", "navy", "Blue", ""),  # a blue thing need not be navy, but may be
        ("color", "teal", "Navy", ""),  # both are kinds of blue
        ("color", "red", "Multicolor", ""),
        ("color", "blue", "grey plaid", ""),
        ("color", "black", "Red speckled", ""),
        ("color", "clear", "Soft White", ""),  # of the light, not of the bulb
        ("color", "red", "Nirvana", ""),  # unknown words prove nothing
        ("color", "gizmo", "Black", ""),
        ("material", "metal", "Stainless Steel", "agrees"),
        ("material", "cotton", "Polyester", ""),
        ("material", "wood", "Velvet", "contradicts"),
        ("pattern", "striped", "Stripes", "agrees"),
        ("pattern", "solid", "Floral", "contradicts"),
        ("pattern", "striped", "Checked", "contradicts"),  # both are kinds of geometric, and basic
        ("pattern", "geometric", "Zigzag", "agrees"),
        ("pattern", "zigzag", "Geometric", ""),
        ("color", "gray", "Silver", "agrees"),
        ("shape", "circular", "Round", "agrees"),
        ("shape", "square", "Round", "contradicts"),
    ],
)
def test_a_kind_is_what_its_basic_word_says_and_unknown_words_prove_nothing(
    question_type: str, answer: str, stated: str, says: str
) -> None:
    assert compared(question_type, answer, stated) == says


def test_every_line_of_the_tables_was_read() -> None:
    assert MEANINGS["color"].kinds["petrol"] == {"blue"}  # stands on a continued line
    assert MEANINGS["color"].of("teal") == {"blue", "green"}
    assert MEANINGS["shape"].of("circle") == {"round"}
    assert MEANINGS["material"].of("foam") == {"foam"}


def test_nouns_are_looked_up_in_the_singular() -> None:
    words = ["shoes", "boxes", "accessories", "glass", "watches", "bus", "case"]
    assert [singular(word) for word in words] == ["shoe", "box", "accessory", "glass", "watch", "bus", "case"]
