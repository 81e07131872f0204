"""Metrics as DVC can show them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import ROOT

# details.json is no metric of DVC's: its keys hold the names of files.
FILES = sorted(file for file in (ROOT / "metrics").glob("*.json") if file.stem != "details")


def keys(values: Any) -> Iterator[str]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield key
            yield from keys(value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_key_holds_a_dot_which_beside_a_nested_key_would_stop_all_metrics(file: Any) -> None:
    found = list(keys(json.loads(file.read_text())))
    assert found
    assert [key for key in found if "." in key] == []
