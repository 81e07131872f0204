from pathlib import Path

import pytest

from clone import git
from paths import ROOT
from vqa.core.state_dir import state_folder

PROJECT = Path("/home/me/abo-vqa")


def test_it_lies_in_the_project() -> None:
    assert state_folder("ledger", PROJECT, {}) == PROJECT / ".state/ledger"


@pytest.mark.parametrize(
    "copy",
    [
        ".dvc/tmp/exps/standalone/tmpq3v",  # dvc exp run --temp
        ".dvc/tmp/exps/tmpk2m",  # dvc queue start
        ".dvc/tmp/exps/tmpk2m/.dvc/tmp/exps/standalone/tmpq3v",
    ],
)
def test_every_copy_that_dvc_makes_finds_that_of_the_outermost_project(copy: str) -> None:
    assert state_folder("ledger", PROJECT / copy, {}) == PROJECT / ".state/ledger"


def test_a_folder_that_the_user_names_is_taken_instead() -> None:
    copy = PROJECT / ".dvc/tmp/exps/tmpk2m"
    assert state_folder("ledger", copy, {"VQA_STATE_DIR": "/mnt/team"}) == Path("/mnt/team/ledger")
    assert state_folder("ledger", copy, {"VQA_STATE_DIR": "../paid"}) == PROJECT / "../paid/ledger"
    assert state_folder("ledger", copy, {"VQA_STATE_DIR": "~/paid"}) == Path.home() / "paid/ledger"


def test_a_folder_of_the_old_name_is_read_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".durable").mkdir()
    assert state_folder("ledger", tmp_path, {}) == tmp_path / ".durable/ledger"
    assert state_folder("answers", tmp_path, {}) == tmp_path / ".durable/answers"
    assert capsys.readouterr().err.count(".durable is called .state now") == 1


def test_a_folder_of_the_old_name_beside_the_new_one_is_not_passed_over_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (".durable", ".state"):
        (tmp_path / name).mkdir()
    assert state_folder("ledger", tmp_path, {}) == tmp_path / ".state/ledger"
    assert "paid answers may lie in it" in capsys.readouterr().err


def test_the_variable_of_the_old_name_is_read_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert state_folder("ledger", PROJECT, {"VQA_DURABLE": "/mnt/team"}) == Path("/mnt/team/ledger")
    assert "VQA_DURABLE is called VQA_STATE_DIR now" in capsys.readouterr().err


def test_neither_git_nor_dvc_looks_into_it() -> None:
    assert git(ROOT, "check-ignore", ".state", ".state/ledger/ledger.jsonl").count("\n") == 2
    assert "/.state" in (ROOT / ".dvcignore").read_text().splitlines()
