"""The README's image: what stands in it, and that it is drawn."""

from dataclasses import replace

import numpy as np
from build import answers_figure, first_answers
from PIL import Image

from evaluated import PAIRS, TEXTS


def test_the_first_image_s_first_three_answers_are_shown_right_or_wrong() -> None:
    more = [replace(PAIRS[0], question=question, answer="4") for question in ("How many?", "Which?")]
    pairs = [*PAIRS, *more]
    texts = {system: [*said, "4", "no"] for system, said in TEXTS.items()}
    shown = first_answers(pairs, texts)
    assert [pair.question for pair, _ in shown] == [PAIRS[0].question, PAIRS[1].question, "How many?"]
    assert {pair.image_name for pair, _ in shown} == {PAIRS[0].image_name}
    assert [(title, text) for title, text, _ in shown[0][1]] == [("baseline", "it is red"), ("LoRA", "red")]
    assert [is_right for _, _, is_right in shown[0][1]] == [False, True]


def test_a_long_image_keeps_its_shape_and_a_long_answer_its_column() -> None:
    pixels = np.asarray(answers_figure(Image.new("RGB", (64, 16), (200, 0, 200)), []))
    rows = (pixels[24:280, 24:280] == (200, 0, 200)).all(axis=2).any(axis=1)
    assert rows.sum() == 64
    said = [(PAIRS[0], [("baseline", "a very long answer that says nothing at all", False)])]
    words = np.asarray(answers_figure(Image.new("RGB", (8, 8)), said))[:, 328 + 240 :]
    assert (words == 255).all()


def test_image_and_words_are_there_in_their_colours() -> None:
    drawn = answers_figure(Image.new("RGB", (64, 64), (200, 0, 200)), first_answers(PAIRS, TEXTS))
    pixels = np.asarray(drawn)
    assert (pixels[30:270, 30:270] == (200, 0, 200)).all()
    words = pixels[:, 300:].reshape(-1, 3)
    for colour in ((0x1A, 0x7F, 0x37), (0xB3, 0x59, 0x00)):  # right, wrong
        assert (words == colour).all(axis=1).any()
    assert (words == 255).all(axis=1).mean() > 0.8
