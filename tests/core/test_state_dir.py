from pathlib import Path

import pytest

from clone import git
from conftest import ROOT
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


def test_neither_git_nor_dvc_looks_into_it() -> None:
    assert git(ROOT, "check-ignore", ".state", ".state/ledger/ledger.jsonl").count("\n") == 2
    assert "/.state" in (ROOT / ".dvcignore").read_text().splitlines()
