"""What was edited by hand in an output outlives the stage, also when DVC runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from clone import git
from paths import ROOT
from vqa.core.hand_edits import hand_edits_kept

STAGE = f"""
import sys
sys.path.insert(0, {str(ROOT / "src")!r})
from pathlib import Path
from vqa.core.hand_edits import hand_edits_kept

OUT, LOST = Path("out.csv"), Path("lost.csv")


@hand_edits_kept([OUT, LOST], "corrections belong into data/review")
def run() -> None:
    for path in (OUT, LOST):
        path.write_text("a,1\\nb," + Path("in.txt").read_text())


run()
"""
PIPELINE = f"""
stages:
  make:
    cmd: {sys.executable} stage.py
    deps: [stage.py, in.txt]
    outs:
    - out.csv:
        persist: true
    - lost.csv
"""


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    dvc("init", "-q")
    Path("stage.py").write_text(STAGE)
    Path("dvc.yaml").write_text(PIPELINE)
    Path("in.txt").write_text("2\n")
    return tmp_path


def dvc(*words: str) -> str:
    command = [str(Path(sys.executable).with_name("dvc")), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_dvc_leaves_what_was_edited_to_the_stage_which_keeps_it(pipeline: Path) -> None:
    assert "changed by hand" not in dvc("repro")
    Path("out.csv").write_text("a,1\nb,mine\n")
    Path("lost.csv").write_text("a,1\nb,mine\n")
    said = dvc("repro")
    assert (
        "out.csv was changed by hand and is made anew: the changed file is kept as out.csv.edited (1 of"
        in said
    )
    assert "corrections belong into data/review" in said
    assert Path("out.csv").read_text() == "a,1\nb,2\n"
    assert Path("out.csv.edited").read_text() == "a,1\nb,mine\n"
    assert not Path(
        "lost.csv.edited"
    ).exists()  # without persist DVC removes it before: why dvc.yaml has that line
    Path("out.csv").write_text("a,1\nb,again\n")
    assert "kept as out.csv.edited2" in dvc("repro")
    assert Path("out.csv.edited").read_text() == "a,1\nb,mine\n"


def test_what_the_stage_wrote_itself_is_no_edit(pipeline: Path) -> None:
    dvc("repro")
    Path("in.txt").write_text("3\n")
    subprocess.run([sys.executable, "stage.py"], check=True)  # without DVC, which locks nothing
    assert "changed by hand" not in dvc("repro", "--force")
    assert list(pipeline.glob("*.edited*")) == []


def test_a_stage_that_fails_has_kept_it_all_the_same(
    pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dvc("repro")
    out = Path("out.csv")
    out.write_text("mine\n")
    with pytest.raises(ValueError, match="no"), hand_edits_kept([out], "see there"):
        out.unlink()
        raise ValueError("no")
    assert Path("out.csv.edited").read_text() == "mine\n"
    assert "kept as out.csv.edited (1 of its lines" in capsys.readouterr().out
