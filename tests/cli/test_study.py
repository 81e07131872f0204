"""A study from the grid to the report, killed on the way."""

import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from clone import Clone, git
from paths import ROOT
from studies import record
from vqa.cli.study import check_comparable, load_study
from vqa.core.errors import InputError
from vqa.core.files import read_json, write_json
from vqa.overlays import read_yaml
from vqa.studies.grid import read_grid
from vqa.studies.report import markdown
from vqa.studies.results import read_record, write_record

GRIDS = ("configs/studies/mine.yaml", "configs/studies/seeds.yaml")
PARAMS = read_yaml((ROOT / "params.yaml").read_text())


def test_a_grid_runs_as_experiments_that_make_no_data_again_and_becomes_a_report(
    small_run: Clone, tmp_path: Path
) -> None:
    clone = Clone.copy(small_run, tmp_path / "clone")
    (clone.folder / GRIDS[0]).write_text("# Is a little enough?\nevaluate.bootstrap_draws: [100]\n")
    (clone.folder / GRIDS[1]).write_text("# Luck?\ntrain.seed: [1]\n")
    git(clone.folder, "rm", "-q", "results/studies/*.json")  # of studies that are committed
    git(clone.folder, "add", "-A")
    clone.commit("a grid")
    running = subprocess.Popen([sys.executable, "src", "study", "run", *GRIDS], cwd=clone.folder)
    logs = clone.folder / ".state/studies"
    while not any("Running stage" in log.read_text() for log in logs.glob("*.log")):
        assert running.poll() is None
        time.sleep(0.1)
    clone.kill_all()
    running.wait()

    ran = clone.run("python", "src", "study", "run", *GRIDS)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    trained, evaluated = ((logs / f"{name}.log").read_text() for name in ("seeds-seed1", "mine-draws100"))
    assert re.findall(r"Running stage '(\w+)'", trained) == ["train", "answer_adapted", "evaluate"]
    assert re.findall(r"Running stage '(\w+)'", evaluated) == ["evaluate"]
    again = clone.run("python", "src", "study", "run", *GRIDS)
    assert "2 experiments; 2 ran already" in again.stdout

    written = clone.run("python", "src", "study", "report", *GRIDS)
    assert written.returncode == 0, written.stderr
    text = (clone.folder / "results/studies/ablation.md").read_text()
    assert "Is a little enough?" in text
    assert len(re.findall(r"^\| 100 +\| \d+\.\d% .* one seed ", text, re.MULTILINE)) == 1
    assert (clone.folder / "results/studies/mine.svg").is_file()
    mine, seeds = (read_record(clone.folder / f"results/studies/{name}.json") for name in ("mine", "seeds"))
    assert [run.changes for run in mine.runs] == [{"evaluate.bootstrap_draws": 100}]
    assert list(mine.committed) == [0, 1]  # the seed as committed, and the one of configs/studies/seeds.yaml
    assert seeds.committed[1].tolist() == seeds.runs[0].right.tolist()
    grids = [read_grid(clone.folder / path, PARAMS) for path in GRIDS]
    studies = [load_study(grid, kept) for grid, kept in zip(grids, (mine, seeds), strict=True)]
    assert markdown(studies) == text

    (clone.folder / "params.yaml").open("a").write("# mine\n")
    refused = clone.run("python", "src", "study", "run", *GRIDS)
    assert "error: params.yaml and 0 more files have changes; git commit -am" in refused.stderr
    missing = clone.run("python", "src", "study", "report", "configs/studies/rank.yaml")
    assert "no experiment of rank ran from HEAD; python src study run GRID" in missing.stdout
    assert "error: no experiment of these grids ran from HEAD" in missing.stderr
    reports = clone.folder / "results/studies"
    (reports / "rank.json").write_bytes((reports / "mine.json").read_bytes())
    both = clone.run("python", "src", "study", "report", GRIDS[0], "configs/studies/rank.yaml")
    assert "no experiment of rank ran from HEAD" in both.stdout
    assert "ablation.html: mine, rank" in both.stdout  # what stood there stays
    kept = read_json(reports / "rank.json") | {"catalogue": "data/mine"}
    write_json(reports / "rank.json", kept)
    mixed = clone.run("python", "src", "study", "report", GRIDS[0])
    assert re.search(
        r"error: results/studies/rank.json is of data/mine, .*, these experiments of data/demo, ",
        mixed.stderr,
    )
    apart = clone.run("python", "src", "study", "report", GRIDS[0], "--out", "results/studies/demo")
    assert "wrote results/studies/demo/ablation.md and ablation.html: mine" in apart.stdout


def test_a_study_of_other_test_questions_does_not_stand_beside_these(tmp_path: Path) -> None:
    there = record([({"train.seed": 0, "lora.r": 2}, "1100")])
    write_record(tmp_path / "rank.json", there)
    files = [Path("configs/studies/rank.yaml"), Path("configs/studies/mine.yaml")]
    check_comparable(tmp_path, files, there, {"mine"})
    others = replace(there, groups={"a.jpg": 3, "b.jpg": 1})
    with pytest.raises(InputError, match=r"rank\.json is of other test questions \(4, these .* of 4\)"):
        check_comparable(tmp_path, files, others, {"mine"})
    check_comparable(tmp_path, files, others, {"mine", "rank"})  # it is written again
