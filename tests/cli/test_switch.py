"""Switching params.yaml: `git diff` shows what changes and no more; a user's changes are kept."""

import re
import shutil
from pathlib import Path

import pytest

from clone import git
from paths import ROOT
from vqa.cli import switch
from vqa.core.errors import InputError
from vqa.overlays import read_yaml
from vqa.settings import load_settings

PARAMS = Path("params.yaml")
COMMITTED = (ROOT / PARAMS).read_text()


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a repository with one commit of params.yaml, configs/presets/ and models."""
    shutil.copytree(ROOT / "configs/presets", tmp_path / "configs/presets")
    shutil.copy(ROOT / PARAMS, tmp_path)
    for model in ("blip2-tiny", "blip2-small", "blip2-smollm2"):
        (tmp_path / "models" / model).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "start")


def changed_lines() -> list[str]:
    """Lines of params.yaml that `git diff` shows as new."""
    lines = git(Path(), "diff", "--unified=0", "params.yaml").splitlines()
    return [line[1:] for line in lines if line.startswith("+") and not line.startswith("+++")]


def test_only_lines_whose_value_changes_are_touched_and_their_comments_stay() -> None:
    switch.run(["ci"])
    assert changed_lines() == [
        "  images: 200                # images to draw; none where data.root points elsewhere",
        "  epochs: 1",
        "  images: 4                  # test images answered end to end to measure speed; 64 on a GPU",
        "  bootstrap_draws: 1000",
    ]
    assert len(PARAMS.read_text().splitlines()) == len(COMMITTED.splitlines())


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "configs/presets").glob("*.yaml")))
def test_switching_changes_what_the_file_says_and_no_more(name: str) -> None:
    switch.run([name])
    assert load_settings() == load_settings(ROOT / "params.yaml", Path(f"configs/presets/{name}.yaml"))
    changes, before = read_yaml(Path(f"configs/presets/{name}.yaml").read_text()), read_yaml(COMMITTED)
    other = [before[block][key] != value for block, keys in changes.items() for key, value in keys.items()]
    assert len(changed_lines()) == sum(other)


def test_values_of_every_kind_keep_the_comment_beside_them() -> None:
    Path("configs/presets/mine.yaml").write_text(
        "generate: {max_requests: 10, media_resolution: null}\n"
        "model:\n  prompt: 'Q: {question} A:'  # mine\n"
        "lora:\n  targets:\n  - attention.query\n  - mlp\n"
        "train: {zero_image: true, learning_rate: 5e-05}\n"
        "zero_shot: {models: [Salesforce/blip-vqa-base]}\n"
    )
    switch.run(["mine"])
    settings = load_settings()
    assert settings == load_settings(ROOT / "params.yaml", Path("configs/presets/mine.yaml"))
    text = PARAMS.read_text()
    for comment in (line.partition("#")[2] for line in COMMITTED.splitlines() if "#" in line):
        assert comment in text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("abo", "data/abo.yaml is not there yet: make abo fetches it"),
        ("photos", "data/photos is not there yet: docs/photos.md says where"),
        ("ci", ""),
    ],
)
def test_data_that_is_not_there_is_named_with_what_fetches_it(
    name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    switch.run([name])
    said = capsys.readouterr().out
    assert sentence in said
    assert ("is not there yet" in said) == bool(sentence)
    if name == "abo":
        git(Path(), "checkout", "-q", "params.yaml")
        Path("data").mkdir()
        Path("data/abo.yaml").touch()
        switch.run([name])
        assert "is not there yet" not in capsys.readouterr().out


def test_several_are_applied_to_what_is_committed_and_the_later_holds() -> None:
    switch.run(["blip2-opt-2.7b"])
    switch.run(["photos", "ci"])  # from ready-made settings to others: nothing of the first is left
    settings = load_settings()
    assert settings.model.name == "models/blip2-small"
    assert (settings.train.epochs, settings.train.batch_size, settings.demo.images) == (1, 16, 200)
    assert settings.decoding.max_new_tokens == 10
    switch.run(["ci", "photos"])
    assert load_settings().train.epochs == 10
    switch.run(["ci"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"\Z", "# mine\n"),
        ("  epochs: 1\n", "  epochs: 2\n"),
        ("  epochs: 1\n", "  epochs: 3\n"),  # half of the file only
        ("  epochs: 1\n", "  epochs: [\n"),
        ("  epochs: 1\n", ""),
        ("  epochs: 1\n", "  epochs: 1\n  more: 1\n"),
        ("(?s).*", "mine"),
        ("(?s)lora:.*?train:", "lora: 1\ntrain:"),
    ],
)
def test_changes_of_one_s_own_are_never_overwritten(old: str, new: str) -> None:
    switch.run(["ci"])
    mine = re.sub(old, new, PARAMS.read_text(), count=1)
    PARAMS.write_text(mine)
    with pytest.raises(InputError, match=r"^params\.yaml has changes that are not committed"):
        switch.run(["photos"])
    assert PARAMS.read_text() == mine
    git(Path(), "checkout", "-q", "params.yaml")
    switch.run(["photos"])


def test_what_is_committed_may_be_anyone_s() -> None:
    PARAMS.write_text(COMMITTED.replace("  epochs: 3", "  epochs: 7   # mine") + "# mine, too\n")
    git(Path(), "commit", "-qam", "mine")
    switch.run(["blip2-opt-2.7b"])
    assert load_settings().train.epochs == 7
    assert "  epochs: 7   # mine\n" in PARAMS.read_text()
    assert PARAMS.read_text().endswith("# mine, too\n")


def test_a_file_that_is_missing_or_wrong_changes_nothing() -> None:
    known = "abo, blip2-flan-t5-xl, .*photos"
    with pytest.raises(InputError, match=rf"configs/presets/nothing\.yaml is missing; there are {known}"):
        switch.run(["ci", "nothing"])
    Path("params").mkdir()
    Path("params/mine.yaml").touch()
    with pytest.raises(
        InputError, match=r"is missing \(params/mine\.yaml lies where presets did before: move"
    ):
        switch.run(["mine"])
    Path("configs/presets/photos.yaml").write_text("lora: {rank: 8}")
    with pytest.raises(InputError, match=r"configs/presets/photos\.yaml: unknown key lora\.rank"):
        switch.run(["ci", "photos"])
    assert PARAMS.read_text() == COMMITTED


def test_without_a_commit_nothing_is_overwritten() -> None:
    shutil.rmtree(".git")
    with pytest.raises(InputError, match=r"^git has no committed params\.yaml \(fatal: "):
        switch.run(["ci"])
    assert PARAMS.read_text() == COMMITTED
