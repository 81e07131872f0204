from pathlib import Path

import pytest

from clone import git
from conftest import ROOT
from vqa.foundation.durable import durable_folder

PROJECT = Path("/home/me/abo-vqa")


def test_it_lies_in_the_project() -> None:
    assert durable_folder("ledger", PROJECT, {}) == PROJECT / ".durable/ledger"


@pytest.mark.parametrize(
    "copy",
    [
        ".dvc/tmp/exps/standalone/tmpq3v",  # dvc exp run --temp
        ".dvc/tmp/exps/tmpk2m",  # dvc queue start
        ".dvc/tmp/exps/tmpk2m/.dvc/tmp/exps/standalone/tmpq3v",
    ],
)
def test_every_copy_that_dvc_makes_finds_that_of_the_outermost_project(copy: str) -> None:
    assert durable_folder("ledger", PROJECT / copy, {}) == PROJECT / ".durable/ledger"


def test_a_folder_that_the_user_names_is_taken_instead() -> None:
    copy = PROJECT / ".dvc/tmp/exps/tmpk2m"
    assert durable_folder("ledger", copy, {"VQA_DURABLE": "/mnt/team"}) == Path("/mnt/team/ledger")
    assert durable_folder("ledger", copy, {"VQA_DURABLE": "../paid"}) == PROJECT / "../paid/ledger"
    assert durable_folder("ledger", copy, {"VQA_DURABLE": "~/paid"}) == Path.home() / "paid/ledger"


def test_neither_git_nor_dvc_looks_into_it() -> None:
    assert git(ROOT, "check-ignore", ".durable", ".durable/ledger/ledger.jsonl").count("\n") == 2
    assert "/.durable" in (ROOT / ".dvcignore").read_text().splitlines()
