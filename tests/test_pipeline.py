"""Real `dvc repro` in a copy of the repository: what runs, what is skipped, what a user sees."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import copy_project

SMALL = {
    "demo.images": 60,
    "train.epochs": 1,
    "evaluate.speed_images": 4,
    "evaluate.bootstrap_draws": 200,
}


class Clone:
    """A copy of the repository and its dvc."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def dvc(self, *arguments: str) -> str:
        """Run dvc; return what it prints."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        result = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def change(self, key: str, value: object) -> None:
        """Change one key of params.yaml in place, comments and all."""
        block, name = key.split(".")
        path = self.folder / "params.yaml"
        pattern = rf"(?ms)^({block}:\n(?:  .*\n)*?  {name}: )[^\s#]+"
        text, count = re.subn(pattern, rf"\g<1>{value}", path.read_text())
        assert count == 1, key
        path.write_text(text)

    def repro(self) -> list[str]:
        """The stages that `dvc repro` ran."""
        return re.findall(r"Running stage '(\w+)'", self.dvc("repro"))

    def changed(self) -> set[str]:
        """The stages that `dvc status` calls changed."""
        return set(json.loads(self.dvc("status", "--json")))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the whole pipeline has run on a small catalogue."""
    folder = tmp_path_factory.mktemp("clone")
    copy_project(folder)
    clone = Clone(folder)
    for key, value in SMALL.items():
        clone.change(key, value)
    assert clone.repro() == ["demo", "generate", "validate", "cache_features", "train", "evaluate"]
    subprocess.run(["git", "commit", "-qam", "small run"], cwd=folder, check=True)
    return clone


def test_a_second_repro_does_nothing_and_says_so(clone: Clone) -> None:
    assert "Data and pipelines are up to date." in clone.dvc("repro")
    assert clone.changed() == set()


@pytest.mark.parametrize(
    ("key", "value", "changed", "ran"),
    [
        ("evaluate.batch_size", 7, {"evaluate"}, ["evaluate"]),
        ("lora.r", 4, {"train"}, ["train", "evaluate"]),
        (
            "generate.questions_per_image",
            3,
            {"generate"},
            ["generate", "validate", "cache_features", "train", "evaluate"],
        ),
    ],
)
def test_a_changed_key_reruns_only_what_depends_on_it(
    clone: Clone, key: str, value: int, changed: set[str], ran: list[str]
) -> None:
    clone.change(key, value)
    assert clone.changed() == changed
    assert clone.repro() == ran
    assert clone.changed() == set()


def test_an_experiment_reuses_the_cached_features_and_shows_its_difference(clone: Clone) -> None:
    printed = clone.dvc("exp", "run", "-S", "lora.r=2")
    assert re.findall(r"Running stage '(\w+)'", printed) == ["train", "evaluate"]
    rows = clone.dvc("metrics", "diff", "HEAD", "--md").splitlines()
    assert any("trainable_parameters" in row for row in rows)
    assert re.search(r"^  r: 2 ", (clone.folder / "params.yaml").read_text(), re.MULTILINE)


def test_metrics_plots_and_artifacts_are_declared(clone: Clone) -> None:
    metrics = json.loads(clone.dvc("metrics", "show", "--json"))[""]["data"]
    assert set(metrics) == {
        f"metrics/{n}.json" for n in ("generate", "data", "features", "train", "evaluate")
    }
    clone.dvc("plots", "show", "--out", "plots")
    page = (clone.folder / "plots/index.html").read_text()
    assert "bert_score_f1" in page
    assert (clone.folder / "models/adapter/best/adapter_config.json").is_file()
