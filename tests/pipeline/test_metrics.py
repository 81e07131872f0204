"""Metrics as DVC can show them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from paths import ROOT
from vqa.overlays import read_yaml

# details.json is no metric of DVC's: its keys hold the names of files.
DECLARED = sorted(
    ROOT / path
    for stage in read_yaml((ROOT / "dvc.yaml").read_text())["stages"].values()
    for metric in stage.get("metrics", [])
    for path in metric
)
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


def lists(values: Any, place: str = "") -> Iterator[str]:
    """Where lists of numbers stand, empty ones too."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from lists(value, f"{place}/{key}")
    elif isinstance(values, list) and all(isinstance(value, int | float | None) for value in values):
        yield place


def test_every_metric_of_dvc_yaml_is_looked_at() -> None:
    assert DECLARED == FILES


@pytest.mark.parametrize("file", DECLARED, ids=lambda file: file.stem)
def test_no_metric_is_a_list_of_numbers_which_dvc_would_not_show(file: Any) -> None:
    assert list(lists({"interval": [0.1, 0.2]})) == ["/interval"]
    assert list(lists(json.loads(file.read_text()))) == []
