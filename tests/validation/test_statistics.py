"""Trusted pairs in numbers that can be counted by hand."""

from math import sqrt

import pytest

from vqa.catalogue.abo import Listings
from vqa.pairs.pair import Pair
from vqa.validation.splits import SplitAssignment
from vqa.validation.statistics import census, label_noise, leak_protection, type_agreement

BY_SPLIT = {
    "train": [
        Pair("a.jpg", "What color is it?", "red", "color", "easy"),
        Pair("a.jpg", "Is it red?", "yes", "yes_no", "easy"),
        Pair("a.jpg", "How many are there?", "2", "count"),
        Pair("b.jpg", "What color is it?", "red", "color", "hard"),
    ],
    "val": [],
    "test": [Pair("c.jpg", "What color is it?", "blue", "color")],
}


def test_a_census_counts_pairs_images_and_answers() -> None:
    assert census(BY_SPLIT) == {
        "splits": {
            "train": {"pairs": 4, "images": 2},
            "val": {"pairs": 0, "images": 0},
            "test": {"pairs": 1, "images": 1},
        },
        "by_type": {"color": 3, "yes_no": 1, "count": 1},
        "by_difficulty": {"easy": 2, "not given": 2, "hard": 1},
        "pairs_per_image": {"median": 1.0, "max": 3},
        "distinct_answers": 4,
        "answers_seen_once": 3,
        "commonest_answers": {"red": 2, "yes": 1, "2": 1, "blue": 1},
        "yes_no_share": 0.2,
    }


def test_only_the_ten_commonest_answers_are_named() -> None:
    pairs = [Pair("a.jpg", "What is it?", f"word{i}") for i in range(30)]
    assert len(census({"train": pairs})["commonest_answers"]) == 10


def asked(*answers: str, question: str = "What is it?") -> list[Pair]:
    return [Pair("a.jpg", question, answer) for answer in answers]


def test_two_labels_agree_when_both_are_right() -> None:
    """One question agreed on, one not: half agree, so (1 - noise)² is a half."""
    pairs = [
        *asked("lamp", "Lamp."),
        *asked("lamp", "vase", question="What is this?"),
        *asked("x", question="Q?"),
    ]
    assert label_noise(pairs) == {
        "questions_asked_twice": 2,
        "agreement": 0.5,
        "estimated_label_noise": pytest.approx(1 - sqrt(0.5), abs=1e-4),
    }


def test_of_three_answers_each_pair_of_them_counts() -> None:
    assert label_noise(asked("lamp", "lamp", "vase"))["agreement"] == pytest.approx(1 / 3, abs=1e-4)


def test_nothing_is_estimated_where_no_question_was_asked_twice() -> None:
    nothing = {"questions_asked_twice": 0, "agreement": None, "estimated_label_noise": None}
    assert label_noise(asked("lamp", "")) == nothing  # no answer is no label
    assert label_noise([*asked("lamp"), Pair("b.jpg", "What is it?", "vase")]) == nothing


def test_types_are_compared_where_pairs_came_with_one() -> None:
    pairs = [
        Pair("a.jpg", "What color is it?", "red", "color"),
        Pair("a.jpg", "How many are there?", "2", "color"),
        Pair("a.jpg", "How many are there?", "2"),
    ]
    assert type_agreement(pairs) == {"pairs": 2, "agreement": 0.5}
    assert type_agreement(pairs[2:]) == {"pairs": 0, "agreement": None}


def test_a_protection_whose_input_is_missing_is_null() -> None:
    split_assignment = SplitAssignment(
        {},
        {},
        {},
        {},
        groups=3,
        largest_share=0.25,
        groups_cut=1,
        near_duplicates=1,
        tying_listings=2,
        transformed_duplicates=5,
        names_tied=6,
        dealt_apart=7,
    )
    listings = Listings({"a.jpg": "LAMP"}, [["a.jpg", "b.jpg"]], read=9, with_unknown_images=4)
    assert leak_protection(split_assignment, ["a.jpg", "c.jpg"], listings, {"1", "2"}) == {
        "groups": 3,
        "largest_group_share": 0.25,
        "groups_cut": 1,
        "near_duplicates": 1,
        "transformed_duplicates": 5,
        "names_tied": 6,
        "dealt_apart": 7,
        "listings": {"read": 9, "with_unknown_images": 4, "tying_images": 2, "images_on_none": 1},
        "images_model_was_made_with": 2,
    }
    without = leak_protection(split_assignment, ["a.jpg"], None, None)
    assert (without["listings"], without["images_model_was_made_with"]) == (None, None)
