"""The file of predictions: pairs, and what a model said to each."""

import sys
from collections.abc import Sequence
from pathlib import Path

from vqa.foundation.csv_tables import read_rows, write_rows
from vqa.foundation.errors import InputError
from vqa.pairs.normal_form import compared_part, exact_match, first_word, normal_form
from vqa.pairs.pair import ALSO_RIGHT, IMAGE_COLUMNS, Pair, image_column, image_name_of, join_also_right
from vqa.pairs.question_types import question_type_of

COLUMNS = ("image_name", "question", "answer", "generated_answer", "generated_text", "question_type")
_GROUP = "split_group"  # of the pictures that stay together; left out where the pairs name none


def write_predictions(path: Path, pairs: Sequence[Pair], texts: Sequence[str]) -> None:
    columns = [
        *COLUMNS,
        *([_GROUP] if any(pair.split_group for pair in pairs) else []),
        *([ALSO_RIGHT] if any(pair.also_right for pair in pairs) else []),
    ]
    rows = (
        {
            "image_name": pair.image_name,
            "question": pair.question,
            "answer": pair.answer,
            "generated_answer": first_word(text),
            "generated_text": text,
            "question_type": pair.question_type,
            _GROUP: pair.split_group,
        }
        | join_also_right(pair)
        for pair, text in zip(pairs, texts, strict=True)
    )
    write_rows(path, columns, rows)


def is_right(pair: Pair, text: str) -> bool:
    """Whether a generated text is one of the pair's right answers, by exact match."""
    return any(exact_match(compared_part(text, right), right) for right in pair.right_answers)


def read_texts(path: Path, pairs: Sequence[Pair], stage: str) -> list[str]:
    """The generated texts of a predictions file that `stage` wrote, in the order of `pairs`.

    Raises:
        InputError: the file is of other pairs.
    """
    rows = read_rows(path, COLUMNS)
    texts = {(row["image_name"], row["question"]): row["generated_text"] for row in rows}
    if set(texts) != {pair.key for pair in pairs}:
        raise InputError(f"{path} answers other pairs than the test split; run dvc repro --force {stage}")
    return [texts[pair.key] for pair in pairs]


def read_predictions(path: Path) -> tuple[list[Pair], list[str]]:
    """Pairs and answers of anyone's CSV with `answer` and `generated_answer`; other columns may be there.

    The whole text is taken from `generated_text` where that is given.
    Rows without a picture's name count as one picture each; without `split_group` each picture is a group.
    A missing question type is inferred.

    Raises:
        InputError: a column is missing, or there is no row.
    """
    rows = read_rows(path, ("answer", "generated_answer"), (*COLUMNS, _GROUP, *IMAGE_COLUMNS))
    if not rows:
        raise InputError(f"{path} has no rows; it needs at least one prediction below its header")
    named_in = image_column(list(rows[0]))
    if named_in not in rows[0]:
        print(f"{path} names no picture: intervals take every row for one of its own", file=sys.stderr)
    elif _GROUP not in rows[0]:
        print(
            f"{path} has no column {_GROUP}: intervals take pictures for independent, also copies and those "
            "of one listing",
            file=sys.stderr,
        )
    pairs = [
        Pair(
            image_name_of(row[named_in]) if named_in in row else str(number),
            row.get("question", ""),
            row["answer"],
            row.get("question_type") or question_type_of(row.get("question", "")),
            split_group=row.get(_GROUP, ""),
        )
        for number, row in enumerate(rows)
    ]
    return pairs, [row.get("generated_text") or row["generated_answer"] for row in rows]


def check_same_rows(path: Path, pairs: Sequence[Pair], other: Path, other_pairs: Sequence[Pair]) -> None:
    """Two files of `read_predictions` answer the same questions in the same order, as far as both tell.

    The right answers tell also where a file names neither questions nor pictures.

    Raises:
        InputError: a row differs, or there are more rows in one of them.
    """
    remedy = "both must answer the same questions in the same order"
    if len(pairs) != len(other_pairs):
        counts = f"{len(other_pairs)} instead of {len(pairs)}"
        raise InputError(f"{other} has other rows than {path}, {counts}; {remedy}")
    for number, (ours, theirs) in enumerate(zip(pairs, other_pairs, strict=True)):
        for our, their in zip(_told(ours, number), _told(theirs, number), strict=True):
            if our and their and our != their:
                found = f"row {number + 1} has {their!r} instead of {our!r}"
                raise InputError(f"{other} has other rows than {path}: {found}; {remedy}")


def _told(pair: Pair, number: int) -> tuple[str, str, str]:
    """What a row says of itself; a picture without a name is called by its number."""
    name = "" if pair.image_name == str(number) else pair.image_name
    return name, normal_form(pair.question), normal_form(pair.answer) or "no answer"
