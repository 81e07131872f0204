from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqa.errors import InputError
from vqa.pairs import Pair, first_word, image_name_of, normal_form, question_type_of, read_pairs, write_pairs


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (" The Red. ", "red"),
        ("two", "2"),
        ("none", "0"),
        ("1.5", "1.5"),
        ("T-shirt", "t-shirt"),
        ("don't", "dont"),
        ("a", ""),
        ("light, blue", "light blue"),
        ("blu_ray", "blu ray"),
    ],
)
def test_the_normal_form_follows_the_vqa_rules(answer: str, expected: str) -> None:
    assert normal_form(answer) == expected


@given(st.text())
def test_the_normal_form_is_idempotent(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("red.", "red"), ("'Red' car", "Red"), ("", ""), ("...", ""), (" - 2 lamps", "-"), ("! wood", "wood")],
)
def test_the_first_word_never_raises_and_drops_punctuation(text: str, expected: str) -> None:
    assert first_word(text) == expected


@pytest.mark.parametrize(
    "spelling",
    ["8f5d4670.jpg", "8f/8f5d4670.jpg", "images/small/8f/8f5d4670.jpg", "images\\small\\8f\\8f5d4670.jpg"],
)
def test_every_spelling_of_an_image_is_one_name(spelling: str) -> None:
    assert image_name_of(spelling) == "8f5d4670.jpg"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many legs does the bed have", "count"),
        ("What is the main colour of the bed?", "color"),
        ("What is the bag made of?", "material"),
        ("Is the pattern striped?", "pattern"),
        ("What type of appliance is shown", "category"),
        ("Is the cord visible?", "other"),
    ],
)
def test_the_question_type_is_inferred_from_its_words(question: str, expected: str) -> None:
    assert question_type_of(question) == expected


def test_a_csv_of_three_columns_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes(
        b"\xef\xbb\xbfimage_name, question,answer\r\n8f\\8f5d4670.jpg,What color?,NA\r\n"
        b'8f5d4670.jpg,"How many\nlegs?", None\r\n8f5d4670.jpg,short row\r\n'
    )
    first, second, third = read_pairs(path)
    assert first == Pair("8f5d4670.jpg", "What color?", "NA", "color")
    assert second.answer == "None"
    assert second.question == "How many\nlegs?"
    assert third.answer == ""


def test_pairs_survive_being_written_and_read(tmp_path: Path) -> None:
    pairs = [Pair("a.jpg", 'Which "one", then?', "blue", "color", "easy", "x")]
    write_pairs(tmp_path / "pairs.csv", pairs)
    assert read_pairs(tmp_path / "pairs.csv") == pairs


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty; it needs the header image_name,question,answer"),
        ("image_name,question\na,b\n", "column answer is missing"),
        ("image_name,question,answer\n", "has no rows"),
        ("image_name,question,answer\na,b,c\na,b,c,d,e\n", "line 3"),
    ],
)
def test_a_csv_that_cannot_be_used_says_why(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=sentence) as caught:
        read_pairs(path)
    assert str(path) in str(caught.value)
