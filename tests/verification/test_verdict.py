"""The one rule, and that what follows from it does not depend on the order of anything."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqa.catalogue.abo import Product
from vqa.pairs.pair import Pair
from vqa.pairs.verdicts import Verdict
from vqa.verification import catalogue, twins
from vqa.verification.hearing import Hearing, wording_statements
from vqa.verification.statement import Statement
from vqa.verification.verdict import VOTES, needs_picture, verdict_on
from vqa.wording.crossfit import guesses


def said(**says: str) -> dict[str, Statement]:
    return {witness: Statement(word) for witness, word in says.items()}


@pytest.mark.parametrize(
    ("says", "verdict"),
    [
        ({}, "unknown"),
        ({"catalogue": "agrees"}, "confirmed"),
        ({"catalogue": "contradicts"}, "disputed"),
        ({"twin": "contradicts"}, "disputed"),
        ({"twin": "agrees"}, "unknown"),  # the same annotator twice
        ({"wording": "agrees"}, "unknown"),
        ({"second_opinion": "agrees"}, "confirmed"),
        ({"second_opinion": "contradicts"}, "disputed"),
        ({"catalogue": "agrees", "twin": "contradicts"}, "unknown"),
        ({"catalogue": "contradicts", "second_opinion": "agrees"}, "unknown"),
        ({"catalogue": "agrees", "second_opinion": "agrees", "twin": "contradicts"}, "confirmed"),
        ({"catalogue": "contradicts", "second_opinion": "contradicts"}, "disputed"),
    ],
)
def test_the_verdict_is_the_sign_of_the_votes(says: dict[str, str], verdict: str) -> None:
    assert verdict_on(said(**says)) == verdict


def test_more_agreement_never_makes_a_verdict_worse() -> None:
    order = ["disputed", "unknown", "confirmed"]
    for says in product(("contradicts", "", "agrees"), repeat=len(VOTES)):
        heard = dict(zip(VOTES, says, strict=True))
        for witness in VOTES:
            better = heard | {witness: "agrees"}
            assert order.index(verdict_on(said(**better))) >= order.index(verdict_on(said(**heard)))


def test_the_picture_is_needed_where_nobody_gives_the_answer_without_it() -> None:
    assert needs_picture(said(wording="", catalogue="agrees"))
    assert not needs_picture(said(wording="agrees"))
    assert not needs_picture(said(wording="", blind_opinion="agrees"))
    assert needs_picture(said(wording="", blind_opinion="contradicts"))


COLORS = st.sampled_from(["red", "blue", "navy", "black"])
QUESTIONS = st.sampled_from(
    ["What color is the mug?", "Which color does the mug have?", "What color is the lid?"]
)
ROWS = st.lists(st.tuples(st.sampled_from("abcdef"), QUESTIONS, COLORS), min_size=2, max_size=24)


def verdicts_of(rows: list[Pair], listed: catalogue.Catalogue) -> dict[Pair, Verdict]:
    wording = guesses(rows, rows, folds=3)
    witnesses = {
        "catalogue": catalogue.statements(rows, listed, lambda answers, _: [0.0] * len(answers), 0.5),
        "twin": twins.statements(rows, rows),
        "wording": wording_statements(rows, wording),
    }
    return dict(zip(rows, Hearing(rows, wording, witnesses).verdicts(), strict=True))


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, seed=st.integers(0, 1000))
def test_no_verdict_depends_on_the_order_of_rows(rows: list[tuple[str, str, str]], seed: int) -> None:
    pairs = [Pair(f"{image}.jpg", question, answer, "color") for image, question, answer in rows]
    products = [
        Product("1", f"{image}.jpg", "MUG", "Mug", color, None, None, None, None, ())
        for image, color in zip("abc", ("navy", "red", "black"), strict=True)
    ]
    shuffled = random.Random(seed).sample(pairs, len(pairs))
    listed, other = catalogue.Catalogue.of(products), catalogue.Catalogue.of(products[::-1])
    assert verdicts_of(pairs, listed) == verdicts_of(shuffled, other)
