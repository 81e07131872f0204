"""Rows of a shop's spreadsheet, written in one line."""

from collections.abc import Iterable, Mapping

from vqa.catalogue.spreadsheet import COLUMNS, Row


def row(
    number: int = 1, groups: Mapping[str, str] | None = None, parts: Iterable[str] = (), **cells: str
) -> Row:
    """A row with these cells, by the names of COLUMNS; it is referred to by its id."""
    keys = frozenset({cells["id"]} if "id" in cells else ())
    return Row(number, dict.fromkeys(COLUMNS, "") | cells, keys, groups or {}, frozenset(parts))
