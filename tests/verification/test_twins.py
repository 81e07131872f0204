"""One question asked twice about a picture."""

from vqa.pairs.pair import Pair
from vqa.verification.statement import SILENT, Statement
from vqa.verification.twins import statements

ROWS = [
    Pair("a.jpg", "What color is the mug?", "Red"),
    Pair("a.jpg", "Which color does the mug have?", "red"),
    Pair("a.jpg", "How many handles?", "one"),
    Pair("b.jpg", "What color is the mug?", "blue"),
    Pair("b.jpg", "What is the color of the mugs?", "green"),
]


def test_other_wordings_agree_or_contradict_and_other_pictures_say_nothing() -> None:
    pairs = [Pair(row.image_name, row.question, row.answer.lower()) for row in ROWS]
    pairs[2] = Pair("a.jpg", "How many handles?", "1")
    found = statements(pairs, ROWS)
    assert found == [
        Statement("agrees", "red"),
        Statement("agrees", "red"),
        SILENT,
        Statement("contradicts", "green"),
        Statement("contradicts", "blue"),
    ]


def test_the_row_that_a_person_corrected_is_no_twin_of_its_correction() -> None:
    corrected = Pair("a.jpg", "How many handles?", "2")
    assert statements([corrected], ROWS) == [SILENT]


def test_the_same_words_twice_are_twins() -> None:
    row = Pair("c.jpg", "What is it?", "mug")
    assert statements([row], [row, row]) == [Statement("agrees", "mug")]
    assert statements([row], [row]) == [SILENT]
