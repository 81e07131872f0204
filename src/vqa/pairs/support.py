"""The result of all label checks on a pair, and its file: support level, and whether the image is needed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from vqa.core.csv_tables import read_rows, write_rows
from vqa.core.errors import InputError
from vqa.pairs.pair import Pair

SUPPORTED, CONFLICTING, UNCHECKED = "supported", "conflicting", "unchecked"
SUPPORT_LEVELS = (CONFLICTING, UNCHECKED, SUPPORTED)  # the most doubtful first
_COLUMNS = ("image_name", "question", "answer", "support", "needs_image")
_WRITTEN = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class Support:
    """The result for one pair."""

    support: str  # one of SUPPORT_LEVELS
    needs_image: bool  # no label check without the image gives the answer


def write_support(
    path: Path,
    pairs: Sequence[Pair],
    support_levels: Sequence[Support],
    votes_by_check: Iterable[Mapping[str, str]],
) -> None:
    """One row a pair; `votes_by_check`: further columns with the votes, the same columns in every row."""

    def row(pair: Pair, support: Support, said: Mapping[str, str]) -> dict[str, str]:
        needs_image = _WRITTEN[support.needs_image]
        return dict(
            zip(_COLUMNS, (*pair.key, pair.answer, support.support, needs_image), strict=True)
        ) | dict(said)

    rows = map(row, pairs, support_levels, votes_by_check)
    first = next(rows)
    write_rows(path, list(first), chain([first], rows))


def read_support(path: Path, pairs: Iterable[Pair]) -> list[Support]:
    """The support level of each of `pairs`.

    Raises:
        InputError: the file has none on one of them.
    """
    support_of = {
        (row["image_name"], row["question"], row["answer"]): Support(
            row["support"], row["needs_image"] == _WRITTEN[True]
        )
        for row in read_rows(path, _COLUMNS)
    }
    try:
        return [support_of[(*pair.key, pair.answer)] for pair in pairs]
    except KeyError as error:
        raise InputError(f"{path} has no support level on {error.args[0]}; run dvc repro verify") from error


def write_left_out(path: Path, pairs: Iterable[Pair]) -> None:
    """The pairs that training leaves out: image and question."""
    rows = ({"image_name": pair.image_name, "question": pair.question} for pair in pairs)
    write_rows(path, ("image_name", "question"), rows)


def without_left_out(path: Path, pairs: Sequence[Pair]) -> list[Pair]:
    """Those of `pairs` that the file of `write_left_out` does not name.

    Raises:
        InputError: it names them all.
    """
    left_out = {(row["image_name"], row["question"]) for row in read_rows(path, ("image_name", "question"))}
    remaining = [pair for pair in pairs if pair.key not in left_out]
    if not remaining:
        raise InputError(f"{path} leaves no pair to train on; set verify.train_on to all in params.yaml")
    return remaining
