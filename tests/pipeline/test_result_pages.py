"""Tables in docs/results: who measured them and when, and how a row gets there."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import result_pages

from paths import ROOT

PAGE = "before\n\n<!-- steps -->\n<!-- /steps -->\n\nbehind\n"
TITLES = ["model", "a step"]
WRITTEN = "frozen_head full_size_step pretrained_model rounded_features shared_prefix"  # by --write
COMMITTED = [result_pages.RESULTS / f"{name}.md" for name in WRITTEN.split()]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    made = tmp_path / "page.md"
    made.write_text(PAGE)
    return made


def test_a_row_comes_with_the_machine_and_the_day_and_replaces_its_own(page: Path) -> None:
    for row in (["llava", "2 s"], ["blip2", "3 s"], ["llava", "1 s"]):
        result_pages.report(TITLES, row, "cpu", page, "steps")
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nbehind\n")
    assert f"{result_pages.machine('cpu')}.\n\n| model" in text
    today = datetime.now(UTC).date().isoformat()
    assert result_pages._rows(text) == [["llava", "1 s", today], ["blip2", "3 s", today]]


def test_two_machines_never_meet_in_one_table(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result_pages.report(TITLES, ["llava", "2 s"], "cpu", page, "steps")
    monkeypatch.setattr(result_pages, "machine", lambda device: "another")
    result_pages.report(TITLES, ["blip2", "3 s"], "cpu", page, "steps")
    assert [row[0] for row in result_pages._rows(page.read_text())] == ["blip2"]


def test_a_bar_in_a_cell_is_refused_before_it_breaks_the_table(page: Path) -> None:
    with pytest.raises(ValueError, match="has a bar"):
        result_pages.report(TITLES, ["<|user|>", "2 s"], "cpu", page, "steps")
    assert page.read_text() == PAGE


def test_a_page_without_the_section_is_left_as_it_is(page: Path) -> None:
    with pytest.raises(ValueError, match="has no lines <!-- answers --> and <!-- /answers -->"):
        result_pages.report(TITLES, ["llava", "2 s"], "cpu", page, "answers")
    assert page.read_text() == PAGE


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_table_names_its_machine_and_its_days(path: Path) -> None:
    tables = path.read_text().split("<!-- ")[1::2]
    assert tables
    for table in tables:
        name, _, body = table.partition(" -->\n")
        assert "torch" in body.splitlines()[0], name
        for row in result_pages._rows(body):
            assert datetime.fromisoformat(row[-1]), row


def test_every_test_that_a_page_names_exists() -> None:
    text = "".join(page.read_text() for page in COMMITTED)
    named = set(re.findall(r"`(?:[\w/]+\.py::)?(test_\w+)`", text))
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", text))
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named and files
    assert not [name for name in named if f"def {name}(" not in sources]
    assert not [file for file in files if not (ROOT / file).is_file()]
