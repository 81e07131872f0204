"""Answering shared out among processes, and continued after a kill, as one process that was left alone does
it."""

import csv
import json
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

import answer_adapted
import answer_base
import answer_others
import cache_features
import generate
import validate
from commands import contents, killed_at, run, shared_out
from failing import fails
from stages import TO_TRAINED
from toy import toy_processor
from toy_others import vilt
from vqa.features.encoding import Pixels, together
from vqa.pairs.pair import read_pairs
from vqa.vlm.blip2 import PixelReader

Project = Callable[..., Path]
PREDICTIONS, WORK = Path("data/predictions"), Path(".state/answers")


@pytest.fixture
def trained(project_after: Project, project: Project, tmp_path: Path) -> Path:
    """A project with an adapter and another model, batches of two pairs, ready to answer."""
    vilt(tmp_path / "vilt", toy_processor())
    changes = {"decoding": {"batch_size": 2}, "train": {"images": 4}, "lora": {"r": 4}}
    project_after(TO_TRAINED, **changes)
    return project(**changes, zero_shot={"models": [str(tmp_path / "vilt")]})


def predicted() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(PREDICTIONS.rglob("*.csv"))}


def test_two_processes_and_killed_ones_answer_as_one_does(trained: Path) -> None:
    stages = ("answer_base", "answer_adapted", "answer_others")
    for module in (answer_base, answer_adapted, answer_others):
        module.run()
    alone = predicted()
    assert len(alone) == 6
    for path in PREDICTIONS.rglob("*.csv"):
        path.unlink()
    for stage, bar in zip(stages, ("baseline", "zero_image", "vilt"), strict=True):
        killed_at(stage, rf"{bar}: +\d+%.* [1-9]\d?/35")
        assert any(WORK.glob("*/*.jsonl"))
        shared_out(stage)
    assert predicted() == alone
    assert not WORK.exists()


def test_questions_are_shared_out_by_image(trained: Path) -> None:
    root = json.loads(Path("params.yaml").read_text())["data"]["root"]
    command = ["ask", "--csv", "data/vqa/test.csv", "--images", root, "--out"]
    run([*command, "alone.csv"])
    shared_out([*command, "together.csv"])
    with Path("alone.csv").open() as alone, Path("together.csv").open() as together:
        ours, theirs = list(csv.DictReader(alone)), list(csv.DictReader(together))
    assert len(ours) == len(read_pairs(Path("data/vqa/test.csv")))
    for one, other in zip(ours, theirs, strict=True):
        assert float(one.pop("probability")) == pytest.approx(float(other.pop("probability")), abs=2e-4)
        assert one == other


@pytest.fixture
def paths(catalogue: Path) -> Iterator[list[Path]]:
    yield sorted((catalogue / "images/small").glob("*/*"))[:6]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_that_decode_are_started_by_any_method_and_are_handed_no_weights(
    paths: list[Path], method: str
) -> None:
    pixels = Pixels(paths, PixelReader(toy_processor().image_processor))
    assert len(pickle.dumps(pixels)) < 10_000
    here = together([pixels[i] for i in range(len(pixels))])
    assert isinstance(here, torch.Tensor)
    loader = DataLoader(pixels, 3, num_workers=1, multiprocessing_context=method, collate_fn=together)
    assert torch.equal(torch.cat(list(loader)), here)


def test_an_image_that_changed_is_named_in_one_sentence_also_by_a_worker(
    project: Project, catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "catalogue"
    shutil.copytree(catalogue, root)
    project(data={"root": str(root)}, features={"workers": 1})
    generate.run()
    validate.run()
    image = next((root / "images/small").glob("*/*"))
    image.write_bytes(image.read_bytes()[:-100])
    sentence = fails(cache_features.run, capsys)
    assert "changed after validation (image_truncated); run dvc repro validate" in sentence
    assert "Traceback" not in sentence


def test_fewer_images_than_a_shard_holds_are_shared_out_too(project: Project) -> None:
    project()
    generate.run()
    validate.run()
    run("cache_features")
    alone = contents(Path("data/features"))
    for path in Path("data/features").iterdir():
        path.unlink()
    printed = shared_out("cache_features")
    assert "30 images were computed" in printed
    assert re.search(r"features: 100%.* 15/15", printed)  # of the first process's
    assert contents(Path("data/features")) == alone
    assert not list(Path(".state/features").glob("*.safetensors"))
