"""One question asked twice about an image."""

from vqa.label_checks.checks import duplicate_votes
from vqa.label_checks.vote import SILENT, Vote
from vqa.pairs.pair import Pair

ROWS = [
    Pair("a.jpg", "What color is the mug?", "Red"),
    Pair("a.jpg", "Which color does the mug have?", "red"),
    Pair("a.jpg", "How many handles?", "one"),
    Pair("b.jpg", "What color is the mug?", "blue"),
    Pair("b.jpg", "What is the color of the mugs?", "green"),
]


def test_other_wordings_agree_or_contradict_and_other_images_say_nothing() -> None:
    pairs = [Pair(row.image_name, row.question, row.answer.lower()) for row in ROWS]
    pairs[2] = Pair("a.jpg", "How many handles?", "1")
    found = duplicate_votes(pairs, ROWS)
    assert found == [
        Vote("agrees", "red"),
        Vote("agrees", "red"),
        SILENT,
        Vote("contradicts", "green"),
        Vote("contradicts", "blue"),
    ]


def test_the_row_that_a_person_corrected_is_no_twin_of_its_correction() -> None:
    corrected = Pair("a.jpg", "How many handles?", "2")
    assert duplicate_votes([corrected], ROWS) == [SILENT]


def test_the_same_words_twice_are_twins() -> None:
    row = Pair("c.jpg", "What is it?", "mug")
    assert duplicate_votes([row], [row, row]) == [Vote("agrees", "mug")]
    assert duplicate_votes([row], [row]) == [SILENT]
