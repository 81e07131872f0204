"""Real `dvc repro` in a copy of the repository: what runs, what is skipped, what a user sees."""

import json
import re

import pytest

from clone import Clone

ALL = {
    *("demo", "generate", "validate", "verify", "cache_features", "train"),
    *("answer_base", "answer_adapted", "answer_others", "measure_speed", "evaluate"),
}


@pytest.fixture(scope="module")
def clone(small_run: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone.copy(small_run, tmp_path_factory.mktemp("clone"))


def test_a_second_repro_does_nothing_and_says_so(clone: Clone) -> None:
    assert "Data and pipelines are up to date." in clone.dvc("repro")
    assert clone.changed() == set()


def test_a_changed_key_reruns_what_depends_on_it_and_then_nothing_is_stale(clone: Clone) -> None:
    clone.change("evaluate.bootstrap_draws", 100)
    assert clone.changed() == {"evaluate"}
    assert clone.repro() == ["evaluate"]
    assert clone.changed() == set()


@pytest.mark.parametrize(
    ("key", "value", "changed", "to_run"),
    [
        ("lora.r", 4, {"train"}, {"train", "answer_adapted", "measure_speed", "evaluate"}),
        (
            "generate.questions_per_image",
            3,
            {"generate", "verify"},  # which asks for opinions by its settings
            ALL - {"demo"},
        ),
    ],
)
def test_a_changed_key_makes_stale_only_what_depends_on_it(
    clone: Clone, key: str, value: int, changed: set[str], to_run: set[str]
) -> None:
    before = (clone.folder / "params.yaml").read_text()
    clone.change(key, value)
    assert clone.changed() == changed
    assert clone.with_dependents(changed) == to_run
    (clone.folder / "params.yaml").write_text(before)


def test_an_experiment_reuses_the_cached_features_and_shows_its_difference(clone: Clone) -> None:
    printed = clone.dvc("exp", "run", "-S", "lora.r=2")
    ran = re.findall(r"Running stage '(\w+)'", printed)
    assert ran[0] == "train"
    assert sorted(ran[1:]) == ["answer_adapted", "evaluate", "measure_speed"]
    rows = clone.dvc("metrics", "diff", "HEAD", "--md").splitlines()
    assert any("trainable_parameters" in row for row in rows)
    assert re.search(r"^  r: 2 ", (clone.folder / "params.yaml").read_text(), re.MULTILINE)


def test_metrics_plots_and_artifacts_are_declared(clone: Clone) -> None:
    metrics = json.loads(clone.dvc("metrics", "show", "--json"))[""]["data"]
    assert set(metrics) == {
        f"metrics/{n}.json" for n in ("generate", "data", "verify", "features", "train", "speed", "evaluate")
    }
    clone.dvc("plots", "show", "--out", "plots")
    page = (clone.folder / "plots/index.html").read_text()
    assert "bert_score_f1" in page
    assert (clone.folder / "models/adapter/best/adapter_config.json").is_file()
