"""Speeds of a toy model by a clock that is set by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import Blip2Processor

from adapters import settings, shake
from toy import PROMPT, toy_model
from vqa.core.errors import InputError
from vqa.inference.speed import Work, measure_speeds, pairs_of_first_images
from vqa.pairs.pair import Pair
from vqa.vlm import lora
from vqa.vlm.attached_adapter import AttachedAdapter
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder

CPU = torch.device("cpu")
PAIRS = [Pair("b.png", "What color?", "red"), Pair("a.png", "How many?", "2"), Pair("b.png", "What?", "rug")]


@pytest.fixture
def answers(processor: Blip2Processor) -> Blip2AnswerModel:
    return Blip2AnswerModel(toy_model("opt", processor), processor, PROMPT, CPU)


@pytest.fixture
def work(
    answers: Blip2AnswerModel, processor: Blip2Processor, drawings: list[Image.Image], tmp_path: Path
) -> Work:
    paths = {name: tmp_path / name for name in ("b.png", "a.png")}
    for path, drawing in zip(paths.values(), drawings, strict=False):
        drawing.save(path)
    encoder = Blip2ImageEncoder(toy_model("opt", processor), processor, CPU)
    return Work(PAIRS, paths, encoder, answers, batch_size=1, new_tokens=2, num_beams=1)


def test_the_first_images_come_with_all_their_pairs() -> None:
    pairs = [Pair(name, "What?", "red") for name in ("c.jpg", "a.jpg", "b.jpg", "a.jpg")]
    assert pairs_of_first_images(pairs, 2) == [pairs[1], pairs[2], pairs[3]]
    assert pairs_of_first_images(pairs, 9) == pairs


def test_features_are_those_of_each_image_s_own_file(work: Work, drawings: list[Image.Image]) -> None:
    features = work.features()
    assert list(features) == ["a.png", "b.png"]
    encoder = work._encoder
    for name, drawing in (("b.png", drawings[0]), ("a.png", drawings[1])):
        with torch.inference_mode():
            alone = encoder.features(encoder.pixels([drawing]))[0]
        torch.testing.assert_close(features[name], alone)


def clock(rounds: list[tuple[float, float, float]]) -> Iterator[float]:
    """Start and end of each turn: the seconds of baseline, lora and unmerged in each round."""
    now = 0.0
    for seconds in (seconds for of_round in rounds for seconds in of_round):
        yield now
        now += seconds
        yield now


def test_an_image_that_is_gone_is_named(work: Work, tmp_path: Path) -> None:
    (tmp_path / "b.png").unlink()
    with pytest.raises(InputError, match=r"b\.png changed after validation \(image_missing\); run dvc repro"):
        work.features()


def test_the_fastest_round_counts_and_ratios_are_taken_round_by_round(
    work: Work,
    answers: Blip2AnswerModel,
    processor: Blip2Processor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained = Blip2AnswerModel(toy_model("opt", processor), processor, PROMPT, CPU)
    lora.add_adapter(trained, settings(), "toy")
    shake(trained)
    lora.save_adapter(trained, tmp_path / "adapter")
    attached = AttachedAdapter(answers, tmp_path / "adapter")
    warming, slow, usual = (90.0, 90.0, 90.0), (6.0, 2.0, 8.0), (2.0, 1.0, 4.0)
    cached = (1.0, 0.5, 2.0)
    times = clock([warming, slow, *[usual] * 4, warming, *[cached] * 5])
    monkeypatch.setattr("vqa.inference.speed.time.perf_counter", lambda: next(times))
    speeds = measure_speeds(work, attached, can_merge=True)
    assert speeds["baseline"] == {  # 2 images and 3 pairs in 2 seconds, 3 pairs in 1
        "images_per_second": 1.0,
        "pairs_per_second": 1.5,
        "cached_pairs_per_second": 3.0,
    }
    assert speeds["lora"]["pairs_per_second"] == 3.0
    assert speeds["unmerged"]["pairs_per_second"] == 0.75
    assert [speeds[f"ratio{end}"] for end in ("", "_low", "_high")] == [2.0, 2.0, 3.0]
    assert [speeds[f"unmerged_to_merged{end}"] for end in ("", "_low", "_high")] == [0.25, 0.25, 0.25]
    assert next(times, None) is None
