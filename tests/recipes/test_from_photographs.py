"""What showed photographs to the small model, at a few steps, and what it left."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import generate
import validate
from paths import ROOT
from small_blip2 import from_photographs, lessons, loop, photographs
from vqa.core.errors import InputError
from vqa.core.files import write_json
from vqa.validation.declared_splits import read_splits, splits_record
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")
SPLITS = Path("data/vqa/splits.json")


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch, project: Callable[..., Path]) -> None:
    """A project with splits, and constants for a run of seconds."""
    project()
    generate.run()
    validate.run()
    for name, value in {"SYNTHETIC_IMAGES": 8, "SIGHT_STEPS": 4, "LANGUAGE_STEPS": 4}.items():
        monkeypatch.setattr(from_photographs, name, value)
    monkeypatch.setattr(lessons, "PHOTOGRAPHS", 2)
    monkeypatch.setattr(lessons, "DRAWINGS", 1)
    monkeypatch.setattr(photographs, "LEAST_USES", 2)
    monkeypatch.setattr(loop, "WARM_UP_STEPS", 1)
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)


def test_only_training_images_are_seen_and_a_killed_run_ends_the_same(
    few_steps: None, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = str(ROOT / "models/blip2-tiny")
    from_photographs.pretrain(catalogue, SPLITS, start, Path("once"), seed=0)
    seen = Path("once/photographs.txt").read_text().split()
    split_of = read_splits(SPLITS)[1]
    assert seen
    assert {split_of[image] for image in seen} == {"train"}

    learning_rate = loop.learning_rate

    def cut(step: int, steps: int, peak: float) -> float:
        if step == 3:
            raise KeyboardInterrupt
        return learning_rate(step, steps, peak)

    monkeypatch.setattr(loop, "learning_rate", cut)
    with pytest.raises(KeyboardInterrupt):
        from_photographs.pretrain(catalogue, SPLITS, start, Path("twice"), seed=0)
    monkeypatch.setattr(loop, "learning_rate", learning_rate)
    from_photographs.pretrain(catalogue, SPLITS, start, Path("twice"), seed=0)
    once, twice = (Pretrained(folder).load(CPU).state_dict() for folder in ("once", "twice"))
    assert all(torch.equal(twice[name], weights) for name, weights in once.items())


def test_another_image_size_takes_the_eyes_over(few_steps: None, catalogue: Path) -> None:
    start = str(ROOT / "models/blip2-tiny")
    from_photographs.pretrain(catalogue, SPLITS, start, Path("small"), seed=0, image_size=64, share=0.5)
    config = Pretrained("small").load(CPU).config.vision_config
    assert (config.image_size, config.patch_size) == (64, 8)
    steps = Path("small/loss.csv").read_text().splitlines()
    assert steps[1].startswith("sight,0,")


def test_splits_of_other_images_are_named(few_steps: None, catalogue: Path) -> None:
    write_json(Path("other.json"), splits_record({}, {12 * "0": "train"}))
    with pytest.raises(InputError, match=r"holds none of the train images of other\.json"):
        from_photographs.pretrain(catalogue, Path("other.json"), "unused", Path("out"), seed=0)


def test_the_committed_weights_are_a_blip2_under_twenty_megabytes() -> None:
    folder = ROOT / "models/blip2-small"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20e6
    model = Pretrained(str(folder)).load(CPU)
    assert model.config.vision_config.image_size == 96
    assert len((folder / "photographs.txt").read_text().split()) == 4500
