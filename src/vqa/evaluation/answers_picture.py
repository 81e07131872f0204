"""A held-out picture with what base and adapter say about it, drawn for the README."""

from collections.abc import Mapping, Sequence
from textwrap import shorten

from PIL import Image, ImageDraw, ImageFont, ImageOps

from vqa.evaluation.systems import ADAPTED, BASE, System
from vqa.pairs.pair import Pair
from vqa.pairs.predictions import is_right

_SIDE, _MARGIN, _WIDTH = 256, 24, 760  # pixels
_INK, _PALE, _GOOD, _BAD = "#1f2328", "#59636e", "#1a7f37", "#b35900"


def first_answers(
    pairs: Sequence[Pair], texts: Mapping[str, Sequence[str]]
) -> list[tuple[Pair, list[tuple[str, str, bool]]]]:
    """The first three pairs of the first picture: nothing is chosen for how it looks.

    Out: each pair with (title, text, whether it is right) of base and adapter.
    """
    of_first = [i for i, pair in enumerate(pairs) if pair.image_name == pairs[0].image_name][:3]
    return [
        (pairs[i], [_judged(system, texts[system.key][i], pairs[i]) for system in (BASE, ADAPTED)])
        for i in of_first
    ]


def _judged(system: System, text: str, pair: Pair) -> tuple[str, str, bool]:
    return system.short_title, text, is_right(pair, text)


def answers_picture(
    picture: Image.Image, answers: Sequence[tuple[Pair, Sequence[tuple[str, str, bool]]]]
) -> Image.Image:
    """The RGB picture on the left, each question with both answers on the right, the right ones in green."""
    canvas = Image.new("RGB", (_WIDTH, _SIDE + 2 * _MARGIN), "white")
    shown = ImageOps.pad(picture, (_SIDE, _SIDE), Image.Resampling.LANCZOS, "white")
    canvas.paste(shown, (_MARGIN, _MARGIN))
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(22), ImageFont.load_default(19)
    left, top = _SIDE + 3 * _MARGIN, _MARGIN
    for pair, said in answers:
        draw.text((left, top), pair.question, _INK, large)
        for column, (title, text, is_good) in enumerate(said):
            x = float(left + column * 240)
            draw.text((x, top + 34), f"{title}:", _PALE, small)
            x += draw.textlength(f"{title}: ", small)
            draw.text((x, top + 34), shorten(text or "(nothing)", 18), _GOOD if is_good else _BAD, small)
        top += _SIDE // len(answers)
    return canvas
