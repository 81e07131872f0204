import re
from dataclasses import fields
from typing import Any

import pytest

from filtered_pairs import ask, filtered, reasons
from paths import ROOT
from vqa.catalogue.images import ImageRecord
from vqa.pairs.pair import UNREADABLE, Pair
from vqa.pairs.question_types import TOPICS
from vqa.settings import Validate
from vqa.validation.rules import RULES


def test_the_page_lists_every_rule_in_the_order_of_asking_with_parameters_that_there_are() -> None:
    page = (ROOT / "docs/pairs.md").read_text()
    table = re.findall(r"^\| (`.*) \| (.*) \| (.*)\|$", page, re.MULTILINE)
    listed = [reason for row in table for reason in re.findall(r"`(\w+)`", row[0])]
    assert listed == [*(rule.reason for rule in RULES), "links_two_splits"]  # the last is splits.py's
    parameters = {name for row in table for name in re.findall(r"`(\w+)`", row[2])}
    assert parameters <= {field.name for field in fields(Validate)}
    (topics,) = [row[1] for row in table if row[0] == "`not_visible`"]
    assert [topic for topic in TOPICS if topic.replace("_", " ") not in topics] == []


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("What color?", "dark blue", "not_one_word"),
        ("What color?", " . ", "empty_answer"),
        (" ", "red", "empty_question"),
        ("What is it?", "the", "answer_is_fragment"),
        ("What is it made of?", "of", "answer_is_fragment"),
        ("What color?", "Others", "no_information"),
        ("What color?", "error", "no_information"),
        ("What color?", "N/A", "no_information"),
        ("What color?", "#DIV/0!", "no_information"),
        ("What color?", "NaN", "no_information"),
        ("What color?", "04-Mar", "spreadsheet_value"),
        ("Is it red?", "TRUE", "spreadsheet_value"),
        ("How high is it?", "1,5", "spreadsheet_value"),
        ("N/A", "red", "empty_question"),
        ("Rectangular", "shape", "question_is_fragment"),
        ("Welche Farbe hat es?", "rot", "not_english"),
        ("What color?", "größe", "not_english"),
        ("What shape is the heart?", "Heart", "answer_in_question"),
        ("How many stones?", "many", "answer_in_question"),
        ("What is the brand?", "Solimo", "not_visible"),
        ("How much is it?", "5", "not_visible"),
        ("How many ounces are in the jar?", "16", "not_visible"),
        ("What is the phone model?", "F1", "not_visible"),
        ("What material is it, according to the listing?", "wood", "not_visible"),
    ],
)
def test_a_row_carries_the_reason(question: str, answer: str, reason: str) -> None:
    assert reasons(ask(question, answer)) == [reason]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What color?", "the red"),
        ("What color?", "blue-green"),
        ("How high?", "1.5"),
        ("What time is shown?", "8:16"),
        ("What letter is it?", "A"),
        ("Is it on or off?", "on"),
        ("Is the background light or dark?", "light"),
        ("What height (low, mid, high)?", "mid"),
        ("What is in it?", "NA"),
        ("What is in it?", "None"),
        ("What color is the brand logo?", "red"),
        ("Where is the volume button?", "side"),
        ("What metal is mentioned on the band?", "steel"),
        ("Name the pattern.", "plain"),
        ("How many feet does the heater have?", "4"),
    ],
)
def test_a_good_row_is_spared(question: str, answer: str) -> None:
    assert reasons(ask(question, answer)) == []


def test_every_rule_has_its_own_reason_and_a_row_only_its_first() -> None:
    assert len({rule.reason for rule in RULES}) == len(RULES)
    assert reasons(Pair("../../etc/passwd", "", "dark blue")) == ["bad_image_name"]
    broken = Pair("", "", "", extra=((UNREADABLE, "line 3: 5 cells where the header has 3"),))
    assert [(r.reason, r.detail[:7]) for r in filtered(broken)[1]] == [("unreadable_row", "line 3:")]


def test_an_image_may_be_called_as_its_owner_likes_but_not_be_a_path() -> None:
    names = [
        "lamp (1).jpg",
        "men's shoe.jpg",
        "a & b.jpg",
        "x@2x.png",
        "#1.jpg",
        "a.jfif",
        "b.avif",
        "Größe.webp",
    ]
    assert reasons(*(ask("What color?", "red", name) for name in names)) == []
    names = ["../../etc/passwd", "..a.jpg", "a\0.jpg", "lamp.pdf", "lamp", ""]
    assert reasons(*(ask("What color?", "red", name) for name in names)) == ["bad_image_name"] * 6


def test_parameters_turn_rules_off() -> None:
    assert reasons(ask("Welche Farbe hat es?", "rot"), english_only=False) == []
    assert reasons(ask("What shape is the heart?", "heart"), allow_answer_in_question=True) == []
    assert reasons(ask("What is the brand?", "Solimo"), not_visible=["price"]) == []
    assert reasons(ask("What color?", "other"), no_answers=[]) == []


def test_unusable_images_are_named() -> None:
    problems = {
        "a.jpg": ImageRecord(problem="image_missing", detail="no file"),
        "b.jpg": ImageRecord("1", problem="image_truncated", detail="cut"),
        "c.jpg": ImageRecord("2", problem="image_unreadable", detail="text"),
        "d.jpg": ImageRecord("3", problem="image_too_large", detail="9000×9000"),
        "e.jpg": ImageRecord("4", 15, 200, "0" * 64),
    }
    pairs = [ask("What color?", "red", f"{name}.jpg") for name in "abcdef"]
    assert reasons(*pairs, problems=problems) == [
        "image_missing",
        "image_truncated",
        "image_unreadable",
        "image_too_large",
        "image_too_small",
    ]


def test_conflicting_answers_are_all_rejected_and_listed() -> None:
    pairs = (
        ask("What color?", "red"),
        ask("what color", "blue"),
        ask("What color?", "Red"),
        ask("What color?", "red", "b.jpg"),
    )
    kept, rejected = filtered(*pairs)
    assert [pair.image_name for pair in kept] == ["b.jpg"]
    assert {(r.reason, r.detail) for r in rejected} == {("conflicting_answers", "blue / red")}


def test_two_spellings_are_one_question_and_one_answer() -> None:
    british, american = (
        ask("What colour is the jewellery?", "grey"),
        ask("What color is the jewelry?", "gray"),
    )
    assert reasons(british, american) == ["duplicate"]
    assert [pair.answer for pair in filtered(british)[0]] == ["gray"]


def test_duplicates_and_near_duplicates_keep_the_first() -> None:
    assert reasons(ask("What color?", "red"), ask("what Color", "Red")) == ["duplicate"]
    one, two = ask("What color is the lamp?", "red"), ask("What is the color of the lamp?", "red")
    assert reasons(one, two) == ["near_duplicate"]
    assert reasons(one, two, min_question_jaccard=0.9) == []
    left = ask("What color is the left shoe of the two?", "red")
    assert reasons(left, ask("What color is the right shoe of the two?", "blue")) == []


def test_surplus_is_drawn_by_seed_and_not_by_order() -> None:
    pairs = [ask(f"What is thing {chr(97 + i)}?", f"x{i}") for i in range(12)]
    options: dict[str, Any] = {"max_pairs_per_image": 5, "min_question_jaccard": 1}
    kept, rejected = filtered(*pairs, **options)
    assert len(kept) == 5
    assert {reject.reason for reject in rejected} == {"too_many_of_image"}
    again, _ = filtered(*reversed(pairs), **options)
    assert {pair.question for pair in again} == {pair.question for pair in kept}
    other, _ = filtered(*pairs, **options, seed=1)
    assert {pair.question for pair in other} != {pair.question for pair in kept}


def test_one_answer_and_yes_and_no_have_at_most_their_share() -> None:
    answers = ["red"] * 60 + ["yes"] * 25 + ["no"] * 25 + [f"x{i}" for i in range(90)]
    pairs = [ask("What is it?", answer, f"{i}.jpg") for i, answer in enumerate(answers)]
    found = reasons(*pairs, max_answer_share=0.15, max_yes_no_share=0.2)
    assert found.count("too_many_of_answer") == 30  # 60 - 0.15 × 200
    assert found.count("too_many_yes_no") == 16  # 50 - 0.2 × 170
