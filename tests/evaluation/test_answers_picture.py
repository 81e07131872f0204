"""The README's picture: what stands in it, and that it is drawn."""

import numpy as np
from PIL import Image

from judged import PAIRS, TEXTS
from vqa.evaluation.answers_picture import answers_picture, first_answers


def test_the_first_picture_s_first_answers_are_shown_right_or_wrong() -> None:
    shown = first_answers(PAIRS, TEXTS)
    assert {pair.image_name for pair, _ in shown} == {PAIRS[0].image_name}
    assert [(title, text) for title, text, _ in shown[0][1]] == [("base", "it is red"), ("LoRA", "red")]
    assert [is_right for _, _, is_right in shown[0][1]] == [False, True]
    assert len(shown) <= 3


def test_picture_and_words_are_there_in_their_colours() -> None:
    drawn = answers_picture(Image.new("RGB", (64, 32), (200, 0, 200)), first_answers(PAIRS, TEXTS))
    pixels = np.asarray(drawn)
    assert (pixels[30:270, 30:270] == (200, 0, 200)).all()
    words = pixels[:, 300:].reshape(-1, 3)
    for colour in ((0x1A, 0x7F, 0x37), (0xB3, 0x59, 0x00)):  # right, wrong
        assert (words == colour).all(axis=1).any()
    assert (words == 255).all(axis=1).mean() > 0.8
