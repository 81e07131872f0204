"""The answers of the training pairs, in files of their own: what constrained decoding may generate.

A stage that answers depends on one of two files, by `decoding.constrained`: true.csv, which changes with the
training answers, or false.csv, which is empty and never changes. So other training pairs
rerun no stage that does not use them.
"""

from collections.abc import Iterable
from pathlib import Path

from vqa.core.csv_tables import read_rows, write_rows
from vqa.pairs.pair import Pair

_COLUMN = "answer"


def write_vocabulary(path: Path, pairs: Iterable[Pair]) -> None:
    """Each answer of `pairs` once, in alphabetical order."""
    write_rows(path, [_COLUMN], ({_COLUMN: answer} for answer in sorted({pair.answer for pair in pairs})))


def read_vocabulary(folder: Path, is_constrained: bool) -> tuple[str, ...]:
    """The answers that may be generated; empty where any answer may be.

    Raises:
        InputError: there is no such file.
    """
    if not is_constrained:
        return ()
    return tuple(row[_COLUMN] for row in read_rows(folder / "true.csv", [_COLUMN]))
