"""docs/libraries.md: every test that it names exists, and what no other test holds is held here.

The scripts of findings/ are run by hand (CONTRIBUTING.md): they install packages, and show no fault of ours.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

from paths import ROOT
from vqa.core.files import read_object

PAGE = (ROOT / "docs/libraries.md").read_text()
FINDINGS = sorted((ROOT / "findings").glob("*.sh"))
SETTINGS = [ROOT / "params.yaml", *sorted((ROOT / "configs/presets").glob("*.yaml"))]


def rows(text: str) -> list[list[str]]:
    """The cells of each row of a page's tables, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row[0] not in ("what happens", "script")]


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 50
    missing = [f"{file}::{test}" for file, test in named if not has_test(ROOT / file, test)]
    assert not missing


def has_test(file: Path, test: str) -> bool:
    return file.is_file() and f"def {test}(" in file.read_text()


def test_every_row_says_how_it_is_known_and_what_holds_it() -> None:
    assert 40 <= len(rows(PAGE)) <= 100
    for behaviour, seen, held in rows(PAGE):
        assert seen in ("ran", "read") or re.fullmatch(r"\[script\]\(\.\./findings/\w+\.sh\)", seen), (
            behaviour
        )
        assert behaviour.endswith(".")
        assert held


def test_every_finding_has_its_rows_and_can_be_run() -> None:
    table = {row[0]: row for row in rows((ROOT / "findings/README.md").read_text())}
    assert len(FINDINGS) >= 10
    assert table.keys() == {f"[{script.stem}]({script.name})" for script in FINDINGS}
    for script in FINDINGS:
        assert f"(../findings/{script.name})" in PAGE
        assert os.access(script, os.X_OK)


@pytest.mark.parametrize("script", FINDINGS, ids=lambda script: script.stem)
def test_a_finding_pins_its_packages_says_what_was_seen_and_uses_none_of_our_code(script: Path) -> None:
    text = script.read_text()
    head = text.split("\nset -eu\n")[0]
    assert re.search(r"(?m)^# Seen on 2\d{3}-\d\d-\d\d, Python 3\.\d+", head)
    (wanted,) = re.findall(r"(?m)^pip install -q --no-compile (?:--no-deps )?(.*)$", text)
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", package) for package in wanted.split())
    assert all(package.split("==")[1] in head for package in wanted.split())
    assert "trap 'rm -rf \"$DIR\"' EXIT" in text
    assert not re.search(r"\bvqa\b|index-url|src/", text)


def settings_after_dvc(text: str) -> tuple[Any, Any]:
    """What a program reads of a YAML file, and what it reads when DVC has changed a key of it by `-S`."""
    return yaml.safe_load(text), yaml.safe_load(dumps_yaml(parse_yaml_for_update(text, "params.yaml")))


@pytest.mark.parametrize("file", SETTINGS, ids=lambda file: file.name)
def test_no_setting_changes_its_type_where_dvc_drops_its_quotes(file: Path) -> None:
    before, after = settings_after_dvc(file.read_text())
    assert after == before


@pytest.mark.parametrize("value", ['"no"', "'12:30'", '"yes"'])
def test_a_setting_that_would_change_is_noticed(value: str) -> None:
    before, after = settings_after_dvc(f"data:\n  languages: [{value}]\n")
    assert after != before


def keys(tree: object) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, inner in tree.items():
            yield key
            yield from keys(inner)


def test_no_committed_metric_has_a_key_that_dvc_cannot_tell_from_a_nested_one() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    files = [name for stage in stages for metric in stage.get("metrics", []) for name in metric]
    assert len(files) >= 5
    for name in files:
        assert not [key for key in keys(read_object(ROOT / name)) if "." in key], name
