"""Pairs somebody already has: a CSV with image_name, question, answer and any further columns we know."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from vqa.pairs import Pair, read_pairs


def pairs_from(path: Path, names_by_id: Callable[[], Mapping[str, str]]) -> list[Pair]:
    """Every row as it stands, its file's name as the source where it states none.

    Raises:
        InputError: see `read_pairs`.
    """
    return [replace(pair, source=pair.source or path.name) for pair in read_pairs(path, names_by_id)]
