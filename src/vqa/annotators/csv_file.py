"""Pairs somebody already has: a CSV with image_name, question, answer and any further columns we know."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from vqa.annotators.metadata import one_word
from vqa.foundation.csv_tables import Lines
from vqa.pairs.multiple_choice import answer_with_option_texts
from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair, image_name_of, pairs_and_lines
from vqa.pairs.question_types import question_type_of


def pairs_from(
    path: Path,
    names_by_id: Callable[[], Mapping[str, str]],
    is_reduced: bool = False,
    name_of: Callable[[str], str] = image_name_of,
) -> tuple[list[Pair], Lines]:
    """Every row as it stands, its file's name as the source where it states none; and the file's lines.

    `name_of` makes a name of what a row calls its picture. An answer that points at one of its question's
    options is the text of that option, and a sentence is printed. `is_reduced`: an answer of several words is
    cut to the one colour or material in it, as a listing's is.

    Raises:
        InputError: see `read_pairs` and `answer_with_option_texts`.
    """
    pairs, lines = pairs_and_lines(path, names_by_id, name_of)
    pairs, sentence = answer_with_option_texts(path, pairs)
    if sentence:
        print(f"{path}: {sentence}")
    pairs = [replace(pair, source=pair.source or path.name) for pair in pairs]
    return [_reduced(pair) for pair in pairs] if is_reduced else pairs, lines


def _reduced(pair: Pair) -> Pair:
    """The pair as it is where its answer is one word, or comes to none."""
    if len(normal_form(pair.answer).split()) < 2:
        return pair
    word = one_word(pair.question_type or question_type_of(pair.question), pair.answer)
    return replace(pair, answer=word) if word else pair
