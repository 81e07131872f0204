"""The one rule, and that what follows from it does not depend on the order of anything."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.catalogue.abo import Product
from vqa.label_checks import listing
from vqa.label_checks.checks import LabelChecks, duplicate_votes, question_only_votes
from vqa.label_checks.question_only import guesses
from vqa.label_checks.vote import VOTES, Vote, decide_support, needs_image
from vqa.pairs.pair import Pair, Support


def said(**says: str) -> dict[str, Vote]:
    return {check: Vote(word) for check, word in says.items()}


@pytest.mark.parametrize(
    ("says", "support"),
    [
        ({}, "unchecked"),
        ({"catalogue": "agrees"}, "supported"),
        ({"catalogue": "contradicts"}, "conflicting"),
        ({"duplicate_question": "contradicts"}, "conflicting"),
        ({"duplicate_question": "agrees"}, "unchecked"),  # the same annotator twice
        ({"question_only": "agrees"}, "unchecked"),
        ({"second_opinion": "agrees"}, "supported"),
        ({"second_opinion": "contradicts"}, "conflicting"),
        ({"catalogue": "agrees", "duplicate_question": "contradicts"}, "unchecked"),
        ({"catalogue": "contradicts", "second_opinion": "agrees"}, "unchecked"),
        (
            {"catalogue": "agrees", "second_opinion": "agrees", "duplicate_question": "contradicts"},
            "supported",
        ),
        ({"catalogue": "contradicts", "second_opinion": "contradicts"}, "conflicting"),
    ],
)
def test_the_support_level_is_the_sign_of_the_votes(says: dict[str, str], support: str) -> None:
    assert decide_support(said(**says)) == support


def test_more_agreement_never_makes_a_support_level_worse() -> None:
    order = ["conflicting", "unchecked", "supported"]
    for says in product(("contradicts", "", "agrees"), repeat=len(VOTES)):
        run_label_checks = dict(zip(VOTES, says, strict=True))
        for check in VOTES:
            better = run_label_checks | {check: "agrees"}
            assert order.index(decide_support(said(**better))) >= order.index(
                decide_support(said(**run_label_checks))
            )


def test_the_image_is_needed_where_nobody_gives_the_answer_without_it() -> None:
    assert needs_image(said(question_only="", catalogue="agrees"))
    assert not needs_image(said(question_only="agrees"))
    assert not needs_image(said(question_only="", opinion_without_image="agrees"))
    assert needs_image(said(question_only="", opinion_without_image="contradicts"))


COLORS = st.sampled_from(["red", "blue", "navy", "black"])
QUESTIONS = st.sampled_from(
    ["What color is the mug?", "Which color does the mug have?", "What color is the lid?"]
)
ROWS = st.lists(st.tuples(st.sampled_from("abcdef"), QUESTIONS, COLORS), min_size=2, max_size=24)


def support_levels_of(rows: list[Pair], listed: listing.Catalogue) -> dict[Pair, Support]:
    wording = guesses(rows, rows, folds=3)
    checks = {
        "catalogue": listing.votes(rows, listed, lambda answers, _: [0.0] * len(answers), 0.5),
        "duplicate_question": duplicate_votes(rows, rows),
        "question_only": question_only_votes(rows, wording),
    }
    return dict(zip(rows, LabelChecks(rows, wording, checks).support_levels(), strict=True))


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, seed=st.integers(0, 1000))
def test_no_support_level_depends_on_the_order_of_rows(rows: list[tuple[str, str, str]], seed: int) -> None:
    pairs = [Pair(f"{image}.jpg", question, answer, "color") for image, question, answer in rows]
    products = [
        Product("1", f"{image}.jpg", "MUG", "Mug", color, None, None, None, None, ())
        for image, color in zip("abc", ("navy", "red", "black"), strict=True)
    ]
    shuffled = random.Random(seed).sample(pairs, len(pairs))
    listed, other = listing.Catalogue.of(products), listing.Catalogue.of(products[::-1])
    assert support_levels_of(pairs, listed) == support_levels_of(shuffled, other)
