"""Our file of predictions: pairs and a model's answer to each.

Anyone's file of predictions: a CSV of right and generated answers, in columns of any name.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vqa.core.csv_tables import read_rows, write_rows
from vqa.core.errors import InputError
from vqa.pairs.answer_normalization import (
    compared_part,
    exact_match,
    first_word,
    listed_answers,
    normalize_answer,
)
from vqa.pairs.pair import (
    ALSO_RIGHT,
    IMAGE_COLUMNS,
    Pair,
    image_column,
    join_also_right,
    parse_image_name,
    split_also_right,
    stated,
)
from vqa.pairs.question_types import infer_question_type

GROUP = "split_group"  # of the images that stay together; left out where the pairs name none
COLUMNS = ("image_name", "question", "answer", "generated_answer", "generated_text", "question_type")


def write_predictions(path: Path, pairs: Sequence[Pair], texts: Sequence[str]) -> None:
    columns = [
        *COLUMNS,
        *([GROUP] if any(pair.split_group for pair in pairs) else []),
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
            GROUP: pair.split_group,
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


# What --column may name.
NAMEABLE = (*COLUMNS, GROUP, ALSO_RIGHT)
_Key = tuple[str, str, str]  # image, question, right answer


@dataclass(frozen=True)
class Predictions:
    """Rows of a file, each question once."""

    path: Path
    pairs: list[Pair]
    texts: list[str]  # the generated answers, whole
    repeated: int  # rows that repeat an earlier row
    has_keys: bool  # image and question tell the rows apart

    def counts(self) -> dict[str, int]:
        """What the file holds, in numbers."""
        labels = [pair.answer for pair in self.pairs]
        lists = [len(listed_answers(label)) for label in labels]
        several = sum(
            not n and len(normalize_answer(label).split()) > 1 for n, label in zip(lists, labels, strict=True)
        )
        return {
            "rows": len(labels) + self.repeated,
            "rows_repeated": self.repeated,
            "labels_of_several_words": several,
            "labels_of_ten_answers": lists.count(10),
            "labels_of_other_lists": sum(n not in (0, 10) for n in lists),
            "labels_missing": labels.count(""),
        }

    def sentences(self) -> list[str]:
        """How its rows are compared, where that is not by the first word of each answer."""
        counts = self.counts()
        sentence_ends = {
            "rows_repeated": "rows are there again and count once",
            "labels_of_several_words": "right answers have several words: there the whole answer is compared",
            "labels_of_ten_answers": "right answers are ten people's: there VQAv2's rule counts them",
            "labels_of_other_lists": "right answers are lists: there each entry is right",
            "labels_missing": "rows have no right answer: they count as wrong",
        }
        return [f"{self.path}: {counts[key]} {text}" for key, text in sentence_ends.items() if counts[key]]


def read_predictions(path: Path, named: Mapping[str, str] | None = None) -> Predictions:
    """Pairs and answers of anyone's CSV with `answer` and `generated_answer`; other columns may be there.

    The whole text is taken from `generated_text` where that is given. Rows without an image's name count as
    one image each; without `split_group` each image is a group. A missing question type is inferred. Notes on
    how rows are read go to standard error.

    Args:
        named: our column → what the file calls it.

    Raises:
        InputError: a column is missing, there is no row, or one question is answered in two ways.
    """
    columns = (*NAMEABLE, *IMAGE_COLUMNS)
    rows = read_rows(
        path, ("answer", "generated_answer"), columns, named, "say which by --column generated_answer=NAME"
    )
    if not rows:
        raise InputError(f"{path} has no rows; it needs at least one prediction below its header")
    named_in = image_column(list(rows[0]))
    has_images = named_in in rows[0]
    if not has_images:
        print(f"{path} names no image: intervals take every row for one of its own", file=sys.stderr)
    elif GROUP not in rows[0]:
        print(
            f"{path} has no column {GROUP}: intervals take images for independent, also copies and those "
            "of one listing",
            file=sys.stderr,
        )
    pairs = [
        Pair(
            parse_image_name(row[named_in]) if has_images else str(number),
            row.get("question", ""),
            stated(row["answer"]),
            row.get("question_type") or infer_question_type(row.get("question", "")),
            split_group=row.get(GROUP, ""),
            also_right=split_also_right(row.get(ALSO_RIGHT, "")),
        )
        for number, row in enumerate(rows)
    ]
    texts = [row.get("generated_text") or row["generated_answer"] for row in rows]
    has_keys = has_images and "question" in rows[0]
    first = _first_rows(path, pairs, texts, rows) if has_keys else list(range(len(rows)))
    predictions = Predictions(
        path, [pairs[i] for i in first], [texts[i] for i in first], len(rows) - len(first), has_keys
    )
    print(*predictions.sentences(), sep="\n", end="\n" if predictions.sentences() else "", file=sys.stderr)
    return predictions


def _first_rows(
    path: Path, pairs: Sequence[Pair], texts: Sequence[str], rows: Sequence[Mapping[str, str]]
) -> list[int]:
    """The number of the first row of each question; samplers on several GPUs repeat the first ones.

    Raises:
        InputError: a later row of the same question and right answer has another answer.
    """
    first: dict[tuple[_Key, str], int] = {}
    for number, (pair, row) in enumerate(zip(pairs, rows, strict=True)):
        before = first.setdefault((_key(pair), row.get("question_id", "")), number)
        if normalize_answer(texts[before]) != normalize_answer(texts[number]):
            raise InputError(
                f"{path}, rows {before + 1} and {number + 1} answer one question of {pair.image_name} with "
                f"{texts[before]!r} and {texts[number]!r}; keep one of them"
            )
    return list(first.values())


def _key(pair: Pair) -> _Key:
    return pair.image_name, normalize_answer(pair.question), normalize_answer(pair.answer)


def align(ours: Predictions, theirs: Predictions) -> Predictions:
    """`theirs` in the order of `ours`, joined by image and question where both name them.

    Raises:
        InputError: they answer different questions.
    """
    if not (ours.has_keys and theirs.has_keys):
        check_same_rows(ours.path, ours.pairs, theirs.path, theirs.pairs)
        return theirs
    place = {_key(pair): number for number, pair in enumerate(theirs.pairs)}
    keys = list(map(_key, ours.pairs))
    missing, others = [key for key in keys if key not in place], place.keys() - set(keys)
    if missing:
        _refuse(ours.path, theirs.path, len(missing), missing[0])
    if others:
        _refuse(theirs.path, ours.path, len(others), min(others))
    order = [place[key] for key in keys]
    pairs, texts = [theirs.pairs[i] for i in order], [theirs.texts[i] for i in order]
    return Predictions(theirs.path, pairs, texts, theirs.repeated, theirs.has_keys)


def _refuse(path: Path, other: Path, count: int, key: _Key) -> NoReturn:
    image_name, question, answer = key
    raise InputError(
        f"{other} has other rows than {path}: {count} of {path} are not in it, the first of {image_name}, "
        f"{question!r} with {answer!r}; both must answer the same questions"
    )


def check_same_rows(path: Path, pairs: Sequence[Pair], other: Path, other_pairs: Sequence[Pair]) -> None:
    """Two files of `read_predictions` answer the same questions in the same order, as far as both tell.

    The right answers tell also where a file names neither questions nor images.

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
                difference = f"row {number + 1} has {their!r} instead of {our!r}"
                raise InputError(f"{other} has other rows than {path}: {difference}; {remedy}")


def _told(pair: Pair, number: int) -> tuple[str, str, str]:
    """What identifies a row; "" for the image where the row number stands for its name."""
    name = "" if pair.image_name == str(number) else pair.image_name
    return name, normalize_answer(pair.question), normalize_answer(pair.answer) or "no answer"
