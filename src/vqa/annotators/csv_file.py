"""Pairs somebody already has: a CSV with image_name, question, answer and any further columns we know."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from vqa.annotators.metadata import one_word
from vqa.foundation.csv_tables import Lines
from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair, pairs_and_lines
from vqa.pairs.question_types import question_type_of


def pairs_from(
    path: Path, names_by_id: Callable[[], Mapping[str, str]], is_reduced: bool = False
) -> tuple[list[Pair], Lines]:
    """Every row as it stands, its file's name as the source where it states none; and the file's lines.

    `is_reduced`: an answer of several words is cut to the one colour or material in it, as a listing's is.

    Raises:
        InputError: see `read_pairs`.
    """
    pairs, lines = pairs_and_lines(path, names_by_id)
    pairs = [replace(pair, source=pair.source or path.name) for pair in pairs]
    return [_reduced(pair) for pair in pairs] if is_reduced else pairs, lines


def _reduced(pair: Pair) -> Pair:
    """The pair as it is where its answer is one word, or comes to none."""
    if len(normal_form(pair.answer).split()) < 2:
        return pair
    word = one_word(pair.question_type or question_type_of(pair.question), pair.answer)
    return replace(pair, answer=word) if word else pair
