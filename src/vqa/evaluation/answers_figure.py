"""A held-out image with the answers of baseline and LoRA, drawn for the README."""

from collections.abc import Mapping, Sequence
from textwrap import shorten

from PIL import Image, ImageDraw, ImageFont, ImageOps

from vqa.evaluation.systems import BASELINE, LORA, System
from vqa.pairs.pair import Pair
from vqa.pairs.predictions import is_right

_SIDE, _MARGIN, _WIDTH = 256, 24, 760  # pixels
_INK, _PALE, _GOOD, _BAD = "#1f2328", "#59636e", "#1a7f37", "#b35900"


def first_answers(
    pairs: Sequence[Pair], texts: Mapping[str, Sequence[str]]
) -> list[tuple[Pair, list[tuple[str, str, bool]]]]:
    """The first three pairs of the first image: the choice does not depend on the answers.

    Out: each pair with (title, text, whether it is right) of baseline and LoRA.
    """
    of_first = [i for i, pair in enumerate(pairs) if pair.image_name == pairs[0].image_name][:3]
    return [
        (pairs[i], [_evaluated(system, texts[system.key][i], pairs[i]) for system in (BASELINE, LORA)])
        for i in of_first
    ]


def _evaluated(system: System, text: str, pair: Pair) -> tuple[str, str, bool]:
    return system.title, text, is_right(pair, text)


def answers_figure(
    image: Image.Image, answers: Sequence[tuple[Pair, Sequence[tuple[str, str, bool]]]]
) -> Image.Image:
    """The RGB image on the left, each question with both answers on the right, the right ones in green."""
    canvas = Image.new("RGB", (_WIDTH, _SIDE + 2 * _MARGIN), "white")
    shown = ImageOps.pad(image, (_SIDE, _SIDE), Image.Resampling.LANCZOS, "white")
    canvas.paste(shown, (_MARGIN, _MARGIN))
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(22), ImageFont.load_default(19)
    left, top = _SIDE + 3 * _MARGIN, _MARGIN
    for pair, outcomes in answers:
        draw.text((left, top), pair.question, _INK, large)
        for column, (title, text, is_good) in enumerate(outcomes):
            x = float(left + column * 240)
            draw.text((x, top + 34), f"{title}:", _PALE, small)
            x += draw.textlength(f"{title}: ", small)
            draw.text((x, top + 34), shorten(text or "(nothing)", 18), _GOOD if is_good else _BAD, small)
        top += _SIDE // len(answers)
    return canvas
