"""The table of an evaluation on standard output, and the marked sections of the pages."""

import re
import shutil
from pathlib import Path

import pytest
from build import PAGES, write_pages

from clone import Clone, git
from commands import used
from paths import ROOT


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
    for folder in ("metrics", "results"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "docs/results").mkdir(parents=True)
    (tmp_path / "README.md").write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    for page in PAGES[1:]:
        (tmp_path / page).write_text("nothing marked\n")
    monkeypatch.chdir(tmp_path)
    used("results")
    table = capsys.readouterr().out.split("\n\n")[1].split("\nOf the ")[0]
    write_pages()
    assert "| LoRA " in table
    written = f"before\n<!-- results -->\n{table}\n<!-- /results -->\nafter\n"
    assert Path("README.md").read_text() == written
    assert Path("docs/results/photos.md").read_text() == "nothing marked\n"


def test_the_first_line_says_what_the_table_is_of_and_whether_it_is_stale(small_run: Clone) -> None:
    fresh = small_run.run("python", "src", "results").stdout.splitlines()
    assert re.fullmatch(r"data/demo, models/blip2-tiny: \d+ held-out questions on \d+ images", fresh[0])
    assert fresh[1] == ""


def test_an_experiment_is_shown_beside_what_it_was_made_from(small_run: Clone, tmp_path: Path) -> None:
    clone = Clone.copy(small_run, tmp_path / "clone")
    clone.dvc("exp", "run", "--name", "few-draws", "-S", "evaluate.bootstrap_draws=100")
    assert "not of what lies here" not in clone.run("python", "src", "results").stdout
    told = clone.run("python", "src", "results", "--diff", "HEAD")
    assert told.returncode == 0, told.stderr
    assert "changed since HEAD: evaluate.bootstrap_draws 200 → 100" in told.stdout
    assert re.search(r"(?m)^\| LoRA +\| [\d.]+% +\| [\d.]+% +\| [+-][\d.]+ ", told.stdout)

    git(clone.folder, "checkout", "-q", "params.yaml")  # and no dvc checkout: a tree of two minds
    stale = clone.run("python", "src", "results", "--diff", "few-draws").stdout
    assert "not of what lies here (evaluate.bootstrap_draws 100 → 200)" in stale
    assert "changed since few-draws: no setting" in stale
    unknown = clone.run("python", "src", "results", "--diff", "nowhere")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("error: git show nowhere:metrics/evaluate.json failed")
