"""Pairs somebody already has: a CSV with image_name, question, answer and any further columns we know."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from vqa.foundation.csv_tables import Lines
from vqa.pairs.pair import Pair, pairs_and_lines


def pairs_from(path: Path, names_by_id: Callable[[], Mapping[str, str]]) -> tuple[list[Pair], Lines]:
    """Every row as it stands, its file's name as the source where it states none; and the file's lines.

    Raises:
        InputError: see `read_pairs`.
    """
    pairs, lines = pairs_and_lines(path, names_by_id)
    return [replace(pair, source=pair.source or path.name) for pair in pairs], lines
