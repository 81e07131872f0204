"""Settings as dvc.lock keeps them, beside those of params.yaml."""

from hashlib import sha256
from pathlib import Path

from vqa.studies.grid import changes, other_files, settings_at_hand, settings_of_run

LOCK = """
schema: '2.0'
stages:
  evaluate:
    cmd: python src/evaluate.py
    params:
      params.yaml:
        data.root: data/mine
        evaluate.seed: 0
  train:
    cmd: python src/train.py
    params:
      params.yaml:
        data.root: data/demo
        train:
          learning_rate: 0.002
          patience:
        lora:
          targets:
          - attention
          r: 16
"""


def test_settings_have_dotted_names_and_what_was_judged_says_which_data_it_was() -> None:
    assert settings_of_run(LOCK) == {
        "data.root": "data/mine",
        "evaluate.seed": 0,
        "train.learning_rate": 0.002,
        "train.patience": None,
        "lora.targets": ["attention"],
        "lora.r": 16,
    }
    assert settings_of_run("") == {}


def test_only_values_that_differ_are_changes_however_they_are_written() -> None:
    params = "train: {learning_rate: 2e-3, patience: null, epochs: 3}\nlora: {targets: [attention], r: 8}\n"
    assert changes(settings_of_run(LOCK), settings_at_hand(params)) == ["lora.r 16 → 8"]


def test_what_ran_under_an_old_name_is_known_by_the_new_one() -> None:
    lock = LOCK.replace("evaluate.seed: 0", "evaluate.num_beams: 4")
    assert changes(settings_of_run(lock), settings_at_hand("decoding: {num_beams: 1}")) == [
        "decoding.num_beams 4 → 1"
    ]


def test_files_that_changed_or_went_since_they_were_judged_are_named(tmp_path: Path) -> None:
    same, changed, gone = (str(tmp_path / name) for name in ("same", "changed", "gone"))
    for name in (same, changed):
        Path(name).write_text("now")
    then = {same: sha256(b"now"), changed: sha256(b"then"), gone: sha256(b"then")}
    assert other_files({name: digest.hexdigest() for name, digest in then.items()}) == [changed, gone]
