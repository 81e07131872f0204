"""The official VQA rules, row by row as the published evaluation decides, and where ours differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqa.pairs.answer_normalization import exact_match
from vqa.scoring.scores import is_right_by_vqa_rules, vqa_form

# Answer, reference, right under the official rules, right under ours.
TABLE = [
    ("Two", "2", True, True),
    ("none", "zero", True, True),
    ("ten", "10", True, True),
    ("the lamp", "A lamp", True, True),
    ("lamp!", "lamp", True, True),
    ("(red)", "red", True, True),
    ("3,000", "3000", True, True),
    ("no.", "no", True, True),
    ("1.5", "15", False, False),
    ("dont", "don't", True, True),
    ("aint", "ain't", True, True),
    ("its", "it's", False, True),  # not in the official list of contractions
    ("women's", "womens", False, True),
    ("t-shirt", "t shirt", True, False),
    ("eleven", "11", False, True),
    ("twenty", "20", False, True),
    ("a", "the", True, False),  # nothing is left of either
    ("x:y", "x y", False, True),
    ("grey", "gray", False, True),
]


@pytest.mark.parametrize(("answer", "reference", "official", "ours"), TABLE)
def test_the_table_of_both_rules(answer: str, reference: str, official: bool, ours: bool) -> None:
    assert is_right_by_vqa_rules(answer, reference) == official
    assert exact_match(answer, reference) == ours


@pytest.mark.parametrize("word", "ain't could've o'clock 'twas y'all wouldn't've somebody's where'd".split())
def test_a_contraction_is_one_word_with_and_without_its_apostrophe(word: str) -> None:
    assert vqa_form(word.replace("'", "")) == vqa_form(word) == word


def test_a_mark_beside_a_space_and_a_comma_in_a_number_drop_every_such_mark() -> None:
    assert vqa_form("black/white") == "black white"
    assert vqa_form("black /white") == "black white"
    assert vqa_form("no-slip, soft") == "no slip soft"
    assert vqa_form("1,000-count") == "1000count"


@given(st.text(max_size=12))
def test_no_text_is_too_odd_and_an_empty_answer_is_never_right(text: str) -> None:
    assert not is_right_by_vqa_rules(" ", text)
    assert is_right_by_vqa_rules(text, text) == (text.strip() != "")
