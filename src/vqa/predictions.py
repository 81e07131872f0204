"""Pairs → what a model says to them, from cached features only; and the predictions file."""

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from vqa.blip2 import AnswerModel
from vqa.devices import gathered, rank_and_world, wait_for_all
from vqa.errors import InputError
from vqa.memory import TOO_LARGE, in_batches_that_fit
from vqa.pairs import IMAGE_COLUMNS, Pair, first_word, image_column, image_name_of, normal_form
from vqa.question_types import question_type_of
from vqa.tables import read_rows, write_rows
from vqa.terminal import progress_bar
from vqa.unfinished import Unfinished
from vqa.vocabulary import AnswerTree

COLUMNS = ("image_name", "question", "answer", "generated_answer", "generated_text", "question_type")


class Features(Protocol):
    """Anything that gives the features `[B, Q, D]` of pictures by name."""

    def rows(self, image_names: Sequence[str]) -> Tensor: ...


class Blinded:
    """Features with nothing in them: what the model answers when it cannot look."""

    def __init__(self, features: Features) -> None:
        self._features = features

    def rows(self, image_names: Sequence[str]) -> Tensor:
        return self._features.rows(image_names).zero_()


class Swapped:
    """Features of another picture: what the model answers when it looks at the wrong one."""

    def __init__(self, features: Features, image_names: Sequence[str]) -> None:
        names = sorted(set(image_names))
        self._features = features
        self._other = dict(zip(names, names[1:] + names[:1], strict=True))

    def rows(self, image_names: Sequence[str]) -> Tensor:
        return self._features.rows([self._other[name] for name in image_names])


@dataclass(frozen=True)
class Decoding:
    """How answers are generated: pairs at once, tokens an answer at most, beams (1: greedy).

    `answers`: all that may be said; none: anything. `batch_key`: where params.yaml sets the pairs at once.
    """

    batch_size: int
    max_new_tokens: int
    num_beams: int = 1
    answers: tuple[str, ...] = ()
    batch_key: str = "evaluate.batch_size"


def allowed_answers(train: Sequence[Pair], is_constrained: bool) -> tuple[str, ...]:
    """The training answers when only they may be said; else none."""
    return tuple(sorted({pair.answer for pair in train})) if is_constrained else ()


def texts_for(
    pairs: Sequence[Pair],
    features: Features,
    model: AnswerModel,
    decoding: Decoding,
    label: str,
    unfinished: Unfinished | None = None,
) -> list[str]:
    """Generated texts in the order of `pairs`, shared out among the processes that torchrun started; each
    gets all.

    Long questions are batched with long ones. Batches are the same on any number of processes and after a
    kill: those that `unfinished` has are not answered again. `label` names the progress bar.
    """
    rank, world = rank_and_world()
    batches = _batches(pairs, decoding.batch_size)
    done: dict[int, list[str]] = unfinished.read() if unfinished else {}
    wait_for_all()  # every process has read the same before one adds to it
    mine = [number for number in range(len(batches)) if number not in done][rank::world]
    vocabulary = model.vocabulary_of(decoding.answers) if decoding.answers else None
    said: dict[int, list[str]] = {}
    kept = sum(len(batches[number]) for number in done)
    share = sum(len(batches[number]) for number in mine)
    with progress_bar(kept + share, "pair", label, kept, is_shown=rank == 0) as progress:
        for number in mine:
            batch = [pairs[i] for i in batches[number]]
            said[number] = _answered(batch, features, model, decoding, vocabulary)
            if unfinished:
                unfinished.add(number, said[number])
            progress.update(len(batch))
    texts = [""] * len(pairs)
    for number, of_batch in itertools.chain(done.items(), *(found.items() for found in gathered(said))):
        for i, text in zip(batches[number], of_batch, strict=True):
            texts[i] = text
    return texts


def _batches(pairs: Sequence[Pair], size: int) -> list[list[int]]:
    order = sorted(range(len(pairs)), key=lambda i: (-len(pairs[i].question), i))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _answered(
    batch: Sequence[Pair],
    features: Features,
    model: AnswerModel,
    decoding: Decoding,
    vocabulary: AnswerTree | None,
) -> list[str]:
    """The batch's texts.

    Raises:
        InputError: it does not fit into memory; it names the setting and what would fit.
    """
    rows = features.rows([pair.image_name for pair in batch])
    questions = [pair.question for pair in batch]

    def answer(count: int) -> list[str]:
        return model.texts(
            questions[:count],
            rows[:count],
            decoding.max_new_tokens,
            decoding.num_beams,
            vocabulary=vocabulary,
        )

    return in_batches_that_fit(answer, len(batch), "pairs", decoding.batch_key, TOO_LARGE)


def write_predictions(path: Path, pairs: Sequence[Pair], texts: Sequence[str]) -> None:
    rows = (
        {
            "image_name": pair.image_name,
            "question": pair.question,
            "answer": pair.answer,
            "generated_answer": first_word(text),
            "generated_text": text,
            "question_type": pair.question_type,
        }
        for pair, text in zip(pairs, texts, strict=True)
    )
    write_rows(path, COLUMNS, rows)


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
    Rows without a picture's name count as one picture each. A missing question type is inferred.

    Raises:
        InputError: a column is missing, or there is no row.
    """
    rows = read_rows(path, ("answer", "generated_answer"), (*COLUMNS, *IMAGE_COLUMNS))
    if not rows:
        raise InputError(f"{path} has no rows; it needs at least one prediction below its header")
    named_in = image_column(list(rows[0]))
    if named_in not in rows[0]:
        print(f"{path} names no picture: intervals take every row for one of its own", file=sys.stderr)
    pairs = [
        Pair(
            image_name_of(row[named_in]) if named_in in row else str(number),
            row.get("question", ""),
            row["answer"],
            row.get("question_type") or question_type_of(row.get("question", "")),
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
