"""Pairs somebody already has: a CSV with image_name, question, answer and any further columns we know."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from vqa.annotators.metadata import one_word
from vqa.core.csv_tables import Lines
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.multiple_choice import answer_with_option_texts
from vqa.pairs.pair import Pair, pairs_and_lines, parse_image_name
from vqa.pairs.question_types import infer_question_type


def read_csv_pairs(
    path: Path,
    names_by_id: Callable[[], Mapping[str, str]],
    is_reduced: bool = False,
    name_of: Callable[[str], str] = parse_image_name,
) -> tuple[list[Pair], Lines]:
    """Every row as it stands, its file's name as the source where it states none; and the file's lines.

    `name_of` makes a name of what a row calls its image. An answer that points at one of its question's
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
    if len(normalize_answer(pair.answer).split()) < 2:
        return pair
    word = one_word(pair.question_type or infer_question_type(pair.question), pair.answer)
    return replace(pair, answer=word) if word else pair
