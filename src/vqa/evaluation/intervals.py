"""Metrics of any commit → metrics as they are written today."""

from pathlib import Path
from typing import Any

from vqa.core.files import read_json


def split_intervals(values: Any) -> Any:
    """The same JSON, each interval of two numbers in a list as `low` and `high`.

    Earlier versions wrote `"ci95": [low, high]`, and null where too few groups said nothing; DVC shows no
    lists.
    """
    if isinstance(values, list):
        return [split_intervals(value) for value in values]
    if not isinstance(values, dict):
        return values
    result: dict[str, Any] = {}
    for key, value in values.items():
        if key.endswith("ci95"):
            low, high = value or (None, None)
            prefix = key.removesuffix("ci95")
            result |= {f"{prefix}low": low, f"{prefix}high": high}
        else:
            result[key] = split_intervals(value)
    return result


def read_metrics(path: Path) -> Any:
    """Metrics of this checkout, which may be those of an earlier version."""
    return split_intervals(read_json(path))
