"""What the witnesses on a pair come to: a verdict, and whether its question needs the picture; their file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from vqa.foundation.csv_tables import read_rows, write_rows
from vqa.foundation.errors import InputError
from vqa.pairs.pair import Pair

CONFIRMED, DISPUTED, UNKNOWN = "confirmed", "disputed", "unknown"
VERDICTS = (DISPUTED, UNKNOWN, CONFIRMED)  # the most doubtful first
_COLUMNS = ("image_name", "question", "answer", "verdict", "needs_picture")
_WRITTEN = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """On one pair."""

    verdict: str  # one of VERDICTS
    needs_picture: bool  # nobody who has not seen it gives the answer


def write_verdicts(
    path: Path, pairs: Sequence[Pair], verdicts: Sequence[Verdict], testimony: Iterable[Mapping[str, str]]
) -> None:
    """One row a pair; `testimony`: what each witness said, as further columns, the same ones in every row."""

    def row(pair: Pair, verdict: Verdict, said: Mapping[str, str]) -> dict[str, str]:
        needs_picture = _WRITTEN[verdict.needs_picture]
        return dict(
            zip(_COLUMNS, (*pair.key, pair.answer, verdict.verdict, needs_picture), strict=True)
        ) | dict(said)

    rows = map(row, pairs, verdicts, testimony)
    first = next(rows)
    write_rows(path, list(first), chain([first], rows))


def read_verdicts(path: Path, pairs: Iterable[Pair]) -> list[Verdict]:
    """The verdict on each of `pairs`.

    Raises:
        InputError: the file has none on one of them.
    """
    found = {
        (row["image_name"], row["question"], row["answer"]): Verdict(
            row["verdict"], row["needs_picture"] == _WRITTEN[True]
        )
        for row in read_rows(path, _COLUMNS)
    }
    try:
        return [found[(*pair.key, pair.answer)] for pair in pairs]
    except KeyError as error:
        raise InputError(f"{path} has no verdict on {error.args[0]}; run dvc repro verify") from error


def write_left_out(path: Path, pairs: Iterable[Pair]) -> None:
    """The pairs that training passes over: picture and question."""
    rows = ({"image_name": pair.image_name, "question": pair.question} for pair in pairs)
    write_rows(path, ("image_name", "question"), rows)


def without_left_out(path: Path, pairs: Sequence[Pair]) -> list[Pair]:
    """Those of `pairs` that the file of `write_left_out` does not name.

    Raises:
        InputError: it names them all.
    """
    left_out = {(row["image_name"], row["question"]) for row in read_rows(path, ("image_name", "question"))}
    kept = [pair for pair in pairs if pair.key not in left_out]
    if not kept:
        raise InputError(f"{path} leaves no pair to train on; set verify.train_on to all in params.yaml")
    return kept
