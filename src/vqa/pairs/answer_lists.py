"""A list that stands in one cell of a CSV, as JSON, Python or numpy write it, or with separators."""

import ast
import json
import re

_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_SEPARATORS = ("\n", "|", ";", ",")


def entries_in_brackets(cell: str) -> list[str]:
    """The texts of "['red', 'blue']" or VQAv2's '[{"answer": "red", …}, …]'; [] of any other cell."""
    cell = cell.strip()
    if not (cell.startswith("[") and cell.endswith("]")):
        return []
    if "{" in cell:
        return _answers_in_objects(cell)
    if quoted := _QUOTED.findall(cell):
        return [single or double for single, double in quoted]
    return [entry.strip() for entry in cell[1:-1].split(",") if entry.strip()]


def listed_answers(cell: str) -> list[str]:
    """The right answers that a cell lists: as `entries_in_brackets`, or between bars; [] of one text."""
    parts = [part.strip() for part in cell.split("|")]
    return entries_in_brackets(cell) or (parts if len(parts) > 1 and all(parts) else [])


def entries(cell: str) -> list[str]:
    """As `entries_in_brackets`, or the texts between line breaks, |, ; or commas."""
    if texts := entries_in_brackets(cell):
        return texts
    text = cell.strip("[](){}")
    separator = next((mark for mark in _SEPARATORS if mark in text), ",")
    texts = [entry.strip() for entry in text.split(separator)]
    return texts if any(texts) else []


def _answers_in_objects(cell: str) -> list[str]:
    for read in (json.loads, ast.literal_eval):
        try:
            objects = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if all(isinstance(entry, dict) and isinstance(entry.get("answer"), str) for entry in objects):
            return [entry["answer"] for entry in objects]
    return []
