"""What is said twice about versions and licences is said alike."""

import re
import stat
import tomllib
from pathlib import Path

from clone import Clone
from paths import ROOT
from vqa.overlays import read_yaml

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_pre_commit_asks_what_make_test_asks() -> None:
    (repository,) = read_yaml((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (hook,) = repository["hooks"]
    assert hook["entry"].split()[0::2] == ["make", "lint"]
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"(?m)^test: lint$", makefile)
    assert re.search(r"(?m)^lint: \S+\n\truff check .*lint-imports", makefile)


def test_citation_and_changelog_have_the_project_s_version_and_licence() -> None:
    citation = read_yaml((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (
        PROJECT["project"]["version"],
        PROJECT["project"]["license"],
    )
    newest = re.search(r"(?m)^## (?!Unreleased)(\S+)", (ROOT / "CHANGELOG.md").read_text())
    assert newest
    assert newest[1] == citation["version"]


def test_dvc_keeps_its_pickles_where_nobody_else_writes(tmp_path: Path) -> None:
    clone = Clone(tmp_path)
    assert clone.run("make", "state").returncode == 0
    clone.dvc("status")
    site = tmp_path / ".dvc/tmp/site"
    assert stat.S_IMODE(site.stat().st_mode) == 0o700
    assert list(site.rglob("*.db"))
    assert clone.run("git", "status", "--porcelain").stdout == ""
