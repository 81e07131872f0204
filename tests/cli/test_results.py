"""The table of an evaluation on standard output, and the marked sections of the pages."""

import shutil
from pathlib import Path

import pytest

from commands import used
from conftest import ROOT


def test_without_an_evaluation_the_command_that_makes_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        used("results")
    assert capsys.readouterr().err == "error: metrics/evaluate.json is missing; run dvc repro first\n"


def test_what_is_written_into_the_pages_is_what_is_printed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("metrics", "reports"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    for name in ("photos.md", "verify.md"):
        (tmp_path / "docs" / name).write_text("nothing marked\n")
    monkeypatch.chdir(tmp_path)
    used("results")
    table = capsys.readouterr().out.split("\nOf the ")[0]
    used("results", "--write")
    assert "| with LoRA adapter " in table
    page = f"before\n<!-- results -->\n{table}\n<!-- /results -->\nafter\n"
    assert Path("README.md").read_text() == page
    assert Path("docs/photos.md").read_text() == "nothing marked\n"
