"""One file of params/ in the place of params.yaml, and nothing of the reader's lost."""

import shutil
from pathlib import Path

import pytest

from clone import git
from conftest import ROOT
from vqa.cli import switch
from vqa.foundation.errors import InputError
from vqa.settings import load_settings


def test_switching_is_seen_in_git_and_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "params", tmp_path / "params")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "start")
    switch.run("blip2-opt-2.7b")
    assert load_settings().model.name == "Salesforce/blip2-opt-2.7b"
    assert "params.yaml" in git(tmp_path, "diff", "--name-only")
    switch.run("ci")  # from one ready-made file to another
    with Path("params.yaml").open("a") as file:
        file.write("# mine\n")
    with pytest.raises(InputError, match=r"params\.yaml has changes that are not committed"):
        switch.run("photos")
    assert Path("params.yaml").read_text().endswith("# mine\n")
    with pytest.raises(
        InputError, match=r"params/nothing\.yaml is missing; there are blip2-flan-t5-xl, .*photos"
    ):
        switch.run("nothing")
    Path("params/photos.yaml").write_text("lora: {}")
    git(tmp_path, "checkout", "-q", "params.yaml")
    with pytest.raises(InputError, match="run is missing"):
        switch.run("photos")
