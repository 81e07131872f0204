"""docs/stale.md says what goes stale by what; here DVC is asked again."""

import subprocess
from pathlib import Path

import pytest
import reruns
import stale_by_key

from paths import ROOT
from vqa.overlays import read_yaml

PAGE = (ROOT / "docs/stale.md").read_text()
UNTIL = "ea79374"


def section(name: str) -> str:
    return PAGE.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0].strip()


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    return stale_by_key.stale_by_key(ROOT)


def test_the_page_has_what_dvc_status_says_of_every_key(found: dict[str, list[str]]) -> None:
    params = read_yaml((ROOT / "params.yaml").read_text())
    assert set(found) == {f"{block}.{key}" for block, values in params.items() for key in values}
    assert section("keys") == stale_by_key.table(found), "python benchmarks/stale_by_key.py --write"


def test_only_what_decides_weights_trains_and_only_what_decides_answers_answers(
    found: dict[str, list[str]],
) -> None:
    for key in ("verify.review_pairs", "benchmark.images", "evaluate.bootstrap_draws", "decoding.batch_size"):
        assert "train" not in found[key], key
    assert found["decoding.constrained"] == ["answer_base", "answer_adapted"]
    assert found["lora.r"] == ["train"]
    assert found["train.eval_batch_size"] == []
    assert found["decoding.batch_size"] == ["measure_speed"]
    assert found["verify.train_on"] == ["verify"]


def test_answers_depend_on_the_training_answers_only_where_nothing_else_may_be_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with stale_by_key.checked_out_copy(ROOT) as folder:
        answers = folder / "data/vqa/answer_vocabulary"
        before = stale_by_key.status()
        (answers / "true.csv").write_text("answer\nred\n")
        assert _changed(before) <= {"validate"}  # whose out it is
        (answers / "false.csv").write_text("answer\nred\n")
        assert _changed(before) - {"validate"} == {"answer_base", "answer_adapted"}


def _changed(before: object) -> set[str]:
    assert isinstance(before, dict)
    now = stale_by_key.status()
    return {stage for stage in now if now[stage] != before.get(stage)}


def test_the_page_says_which_commits_would_have_trained_again() -> None:
    listed = ["git", "rev-list", "--no-merges", "--max-count=25", UNTIL]
    known = subprocess.run(listed, capture_output=True, text=True, cwd=ROOT, check=False)
    if len(commits := known.stdout.split()) < 25:
        pytest.skip(f"needs the history up to {UNTIL}")
    deps = reruns.code_deps(Path(ROOT / "dvc.yaml").read_text())
    shown = reruns.retrained(commits, deps)
    assert section("commits") == shown, f"python benchmarks/reruns.py --until {UNTIL} --retrained"
