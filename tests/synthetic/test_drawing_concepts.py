"""What the drawn catalogue says of its images, and what pre-training said of them."""

import random

from small_blip2 import captions
from vqa.synthetic.drawing import ATTRIBUTES, COLORS, RGB, Concept


def test_a_concept_is_known_by_its_word_by_another_or_by_none() -> None:
    assert COLORS["red"] == Concept("red", "red")
    assert COLORS["navy"] == Concept("navy", "dark blue")
    assert COLORS["purple"] == Concept("purple", None)


def test_every_color_of_the_catalogue_can_be_drawn_and_looks_like_no_other() -> None:
    assert RGB.keys() == COLORS.keys()
    assert len(set(RGB.values())) == len(RGB) == 14


def test_pre_training_never_names_what_only_the_catalogue_names() -> None:
    rng = random.Random(0)
    told = " ".join(
        f"{captions.caption(item, rng)} {' '.join(captions.question_and_answer(item, rng))}"
        for item in (captions.random_item(rng) for _ in range(3000))
    ).split()
    new = {c.word for table in ATTRIBUTES.values() for c in table.values() if c.word != c.base_word}
    assert len(new) == 14
    assert not new & {word.strip("?.:") for word in told}
    assert {"red", "wood", "squares"} <= set(told)
