import json
import re
from pathlib import Path

import pytest

from products import LAMP
from vqa.annotators.prompt import LONGEST_TEXT, UnusableText, build_prompt, pairs_in
from vqa.pairs.pair import write_pairs
from vqa.pairs.question_types import OFFERED_TYPES, TOPICS

GOOD = {"question": "What color is it?", "answer": "red", "type": "Color", "difficulty": "easy"}


def test_the_prompt_holds_what_the_listing_says_and_the_rules() -> None:
    prompt = build_prompt(LAMP, 5)
    for said in ("Name: Lamp, Set of 3", "Color: Dk. Pink", "Material: 100% Cotton", "Description: unknown"):
        assert said in prompt
    for rule in (
        "Write 5 different questions",
        "exactly\none word",
        "digits",
        "position",
        "easy, medium, hard",
    ):
        assert rule in prompt
    assert "$" not in prompt


def test_the_prompt_asks_for_every_type_that_is_offered_and_that_an_image_can_show() -> None:
    """Its bytes are in the keys of paid answers, so that it lists them itself."""
    listed = re.search(r"question type: ([^.]*)\.", build_prompt(LAMP, 5))
    assert listed is not None
    assert set(re.findall(r"\w+", listed[1])) == set(OFFERED_TYPES) - set(TOPICS)


@pytest.mark.parametrize("kind", OFFERED_TYPES)
def test_a_type_that_is_offered_is_kept(kind: str) -> None:
    (pair,) = pairs_in(json.dumps([{**GOOD, "type": kind}]), "a.jpg", "gemini")
    assert pair.question_type == kind


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([GOOD]),
        json.dumps({"pairs": [GOOD]}),
        json.dumps(GOOD),
        "```json\n" + json.dumps([GOOD], indent=1) + "\n```",
        "Sure! Here are your questions:\n" + json.dumps([GOOD]) + "\nHope this helps {smile}.",
        json.dumps([GOOD, GOOD])[:-20],  # cut short in the second
        json.dumps([GOOD, {"caption": "a lamp"}, {"question": "", "answer": "x"}]),
    ],
)
def test_json_is_found_whatever_is_around_it(text: str) -> None:
    (pair,) = pairs_in(text, "a.jpg", "gemini")
    assert (pair.question, pair.answer) == ("What color is it?", "red")
    assert (pair.question_type, pair.difficulty, pair.source) == ("color", "easy", "gemini")


def test_text_answers_are_read_too() -> None:
    text = "Q: What color is it?\nA: red\n\n2. Question: How many legs?\nAnswer: 4"
    pairs = pairs_in(text, "a.jpg", "gemini")
    assert [(pair.question, pair.answer, pair.question_type) for pair in pairs] == [
        ("What color is it?", "red", ""),
        ("How many legs?", "4", ""),
    ]


def test_a_multi_word_answer_and_a_number_are_kept_as_they_came() -> None:
    pairs = pairs_in(json.dumps([{**GOOD, "answer": "dark red"}, {**GOOD, "answer": 2}]), "a.jpg", "g")
    assert [pair.answer for pair in pairs] == ["dark red", "2"]


def test_half_a_surrogate_pair_becomes_a_question_mark_that_a_file_can_hold(tmp_path: Path) -> None:
    text = r'[{"question": "What \ud83d is it?", "answer": "red\udc00"}]'
    (pair,) = pairs_in(text, "a.jpg", "gemini")
    assert (pair.question, pair.answer) == ("What ? is it?", "red?")
    write_pairs(tmp_path / "pairs.csv", [pair])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", "empty_text"),
        ("I cannot help with that.", "not_parsable"),
        ("[{", "not_parsable"),
        ('[{"caption": "a lamp"}]', "wrong_schema"),
        ("[]" * LONGEST_TEXT, "text_too_long"),
    ],
)
def test_a_text_without_pairs_has_a_reason(text: str, reason: str) -> None:
    with pytest.raises(UnusableText) as caught:
        pairs_in(text, "a.jpg", "gemini")
    assert caught.value.reason == reason
