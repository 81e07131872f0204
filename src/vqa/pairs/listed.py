"""A list that stands in one cell of a CSV, as JSON, Python or numpy write it, or with separators."""

import ast
import json
import re

_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_SEPARATORS = ("\n", "|", ";", ",")


def entries_in_brackets(cell: str) -> list[str]:
    """The texts of "['red', 'blue']" or VQAv2's '[{"answer": "red", …}, …]'; [] of what is no such list."""
    cell = cell.strip()
    if not (cell.startswith("[") and cell.endswith("]")):
        return []
    if "{" in cell:
        return _answers_in_objects(cell)
    if quoted := _QUOTED.findall(cell):
        return [single or double for single, double in quoted]
    return [entry.strip() for entry in cell[1:-1].split(",") if entry.strip()]


def entries(cell: str) -> list[str]:
    """As `entries_in_brackets`, or what stands between line breaks, |, ; or commas."""
    if found := entries_in_brackets(cell):
        return found
    text = cell.strip("[](){}")
    separator = next((mark for mark in _SEPARATORS if mark in text), ",")
    found = [entry.strip() for entry in text.split(separator)]
    return found if any(found) else []


def _answers_in_objects(cell: str) -> list[str]:
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if all(isinstance(entry, dict) and isinstance(entry.get("answer"), str) for entry in found):
            return [entry["answer"] for entry in found]
    return []
