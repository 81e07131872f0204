from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqa.core.errors import InputError
from vqa.pairs.answer_normalization import exact_match, first_word, normalize_answer
from vqa.pairs.pair import UNREADABLE, Pair, parse_image_name, read_pairs, write_pairs


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (" The Red. ", "red"),
        ("two", "2"),
        ("none", "0"),
        ("1.5", "1.5"),
        ("T-shirt", "t-shirt"),
        ("don't", "dont"),
        ("A", "a"),
        ("the", "the"),
        ("light, blue", "light blue"),
        ("3,000", "3000"),
        ("8:16", "8:16"),
        ("blu_ray", "blu ray"),
    ],
)
def test_the_normal_form_follows_the_vqa_rules(answer: str, expected: str) -> None:
    assert normalize_answer(answer) == expected


def test_the_normal_form_has_one_spelling() -> None:
    assert normalize_answer("What colour is the grey-green centre?") == "what color is gray-green center"


@given(st.text())
def test_the_normal_form_is_idempotent(text: str) -> None:
    assert normalize_answer(normalize_answer(text)) == normalize_answer(text)


@pytest.mark.parametrize(
    ("answer", "reference", "is_right"),
    [
        ("The Two.", "2", True),
        ("Grey", "gray", True),
        ("aluminum", "aluminium", True),
        ("red", "blue", False),
        ("red", "dark red", False),
        ("", "red", False),
        ("", "", False),
        ("...", "?", False),  # nothing is left of either
    ],
)
def test_an_answer_is_right_in_normal_form_and_an_empty_one_never(
    answer: str, reference: str, is_right: bool
) -> None:
    assert exact_match(answer, reference) is is_right


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red.", "red"),
        ("'Red' car", "Red"),
        ("", ""),
        ("...", ""),
        ("! wood", "wood"),
        ("a lamp", "lamp"),
        ("A", "A"),
    ],
)
def test_the_first_word_never_raises_and_drops_punctuation(text: str, expected: str) -> None:
    assert first_word(text) == expected


@pytest.mark.parametrize(
    "spelling",
    ["8f5d4670.jpg", "8f/8f5d4670.jpg", "images/small/8f/8f5d4670.jpg", "images\\small\\8f\\8f5d4670.jpg"],
)
def test_every_spelling_of_an_image_is_one_name(spelling: str) -> None:
    assert parse_image_name(spelling) == "8f5d4670.jpg"


def test_a_csv_of_three_columns_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes(
        b"\xef\xbb\xbfimage_name, question,answer\r\n8f\\8f5d4670.jpg,What color?,NA\r\n"
        b'8f5d4670.jpg,"How many\nlegs?", None\r\n8f5d4670.jpg,short row\r\n'
    )
    first, second, third = read_pairs(path)
    assert first == Pair("8f5d4670.jpg", "What color?", "NA")
    assert second.answer == "None"
    assert second.question == "How many\nlegs?"
    assert third.answer == ""


@pytest.mark.parametrize(
    ("header", "cells", "extra"),
    [
        ("image_path,question,answer", "8f/8f5d4670.jpg,Q,A", ()),
        ("Full Image Path,Question,ANSWER", "a\\8f\\8f5d4670.jpg,Q,A", ()),
        ("image_id,question,answer", "81+x-ydGqL,Q,A", ()),
        (
            "image_id,full_image_path,question,answer",
            "81+x-ydGqL,small/8f/8f5d4670.jpg,Q,A",
            (("image_id", "81+x-ydGqL"),),
        ),
        ("asin,answer,question,image_name", "B1,A,Q,8f5d4670.jpg", (("asin", "B1"),)),
    ],
)
def test_images_may_be_named_in_other_columns_and_further_columns_survive(
    tmp_path: Path, header: str, cells: str, extra: tuple[tuple[str, str], ...]
) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(f"{header}\n{cells}\n")
    pairs = read_pairs(path, lambda: {"81+x-ydGqL": "8f5d4670.jpg"})
    assert pairs == [Pair("8f5d4670.jpg", "Q", "A", extra=extra)]
    write_pairs(path, pairs)
    assert path.read_text().splitlines()[0].startswith("image_name,question,answer,question_type")
    assert read_pairs(path) == pairs


def test_rows_that_do_not_fit_the_header_are_kept_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text('image_name,question,answer\na.jpg,b,c\na.jpg,b,c,d\n"a" b,c,d\n')
    _, long, quoted = read_pairs(path)
    assert dict(long.extra)[UNREADABLE] == "line 3: 4 cells where the header has 3: a.jpg,b,c,d"
    assert dict(quoted.extra)[UNREADABLE].startswith("line 4: its quotes do not pair up")
    write_pairs(path, [long])
    assert read_pairs(path) == [long]


def test_a_path_that_climbs_is_not_cut_to_its_last_part() -> None:
    assert parse_image_name("../../etc/passwd") == "../../etc/passwd"


def test_pairs_survive_being_written_and_read(tmp_path: Path) -> None:
    pairs = [Pair("a.jpg", 'Which "one", then?', "blue", "color", "easy", "x")]
    write_pairs(tmp_path / "pairs.csv", pairs)
    assert read_pairs(tmp_path / "pairs.csv") == pairs


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty; it needs a header such as image_name,question,answer"),
        ("image_name,question\na,b\n", "column answer is missing"),
        ("image_name,question,answer\n", "has no rows"),
        ("image_name,question,answer,question\n", "column 'question' is there twice"),
        ('image_name,"question,answer\na,b,c\n', "line 1: a quote opens here and never closes"),
    ],
)
def test_a_csv_that_cannot_be_used_says_why(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=sentence) as caught:
        read_pairs(path)
    assert str(path) in str(caught.value)
