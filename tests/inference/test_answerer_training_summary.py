"""The summary of an adapter's training pairs, and the model that goes with the adapter."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vqa.core.errors import InputError
from vqa.core.files import write_json
from vqa.inference.answerer import (
    TrainingSummary,
    read_training_summary,
    summarize_training,
    with_adapter_model,
    write_training_summary,
)
from vqa.pairs.pair import Pair, write_pairs
from vqa.settings import load_settings


def pairs() -> list[Pair]:
    asked = [
        ("a.jpg", "How many?", "count"),
        ("b.jpg", "What color?", "color"),
        ("a.jpg", "Which color?", "color"),
    ]
    asked += [(f"{i}.jpg", "What color?", "color") for i in range(2)]
    return [Pair(name, question, "2", question_type) for name, question, question_type in asked]


def test_the_commonest_wordings_come_first_and_all_pairs_count() -> None:
    summary = summarize_training(pairs(), Path("data/mine"))
    assert summary.questions == ["What color?", "Which color?", "How many?"]
    assert str(summary) == "trained on 5 questions about 4 images of data/mine"


def test_what_stands_beside_an_adapter_goes_before_the_pairs_at_hand(tmp_path: Path) -> None:
    train = tmp_path / "train.csv"
    assert read_training_summary(tmp_path, train, Path("data/mine")) is None
    write_pairs(train, pairs())
    found = read_training_summary(tmp_path, train, Path("data/mine"))
    assert found == summarize_training(pairs(), Path("data/mine"))
    others = TrainingSummary("data/photos", 9, 3, ["What is it?"])
    write_training_summary(tmp_path, others)
    assert read_training_summary(tmp_path, train, Path("data/mine")) == others


def test_an_adapter_brings_its_model_where_that_is_here(project: Callable[..., Path], tmp_path: Path) -> None:
    project()
    settings = load_settings()
    adapter = tmp_path / "adapter"
    with pytest.raises(InputError, match="holds no adapter; run dvc repro train"):
        with_adapter_model(adapter, settings)
    for name in ("models/adapter-photos", "models/adapter/best"):
        write_json(Path(name) / "adapter_config.json", {})
    with pytest.raises(
        InputError, match=r"holds no adapter; there are models/adapter-photos, models/adapter/best$"
    ):
        with_adapter_model(Path("models/adaptor-photos"), settings)
    write_json(adapter / "adapter_config.json", {})
    assert with_adapter_model(adapter, settings) == settings  # from elsewhere
    write_json(adapter / "base_model.json", {"name": "models/gone"})
    assert with_adapter_model(adapter, settings) == settings  # check_fits will name it
    other = tmp_path / "models/other"
    other.mkdir(parents=True)
    write_json(adapter / "base_model.json", {"name": "models/other"})
    assert with_adapter_model(adapter, settings).model.name == "models/other"
