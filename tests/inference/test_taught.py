"""What an adapter was taught, from its pairs or from beside it, and which model goes with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vqa.foundation.errors import InputError
from vqa.foundation.files import write_json
from vqa.inference.taught import Taught, read_taught, taught_by, with_model_of, write_taught
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
    taught = taught_by(pairs(), Path("data/mine"))
    assert taught.questions == ["What color?", "Which color?", "How many?"]
    assert str(taught) == "taught by 5 questions about 4 pictures of data/mine"


def test_what_stands_beside_an_adapter_goes_before_the_pairs_at_hand(tmp_path: Path) -> None:
    train = tmp_path / "train.csv"
    assert read_taught(tmp_path, train, Path("data/mine")) is None
    write_pairs(train, pairs())
    found = read_taught(tmp_path, train, Path("data/mine"))
    assert found == taught_by(pairs(), Path("data/mine"))
    others = Taught("data/photos", 9, 3, ["What is it?"])
    write_taught(tmp_path, others)
    assert read_taught(tmp_path, train, Path("data/mine")) == others


def test_an_adapter_brings_its_model_where_that_is_here(project: Callable[..., Path], tmp_path: Path) -> None:
    project()
    settings = load_settings()
    adapter = tmp_path / "adapter"
    with pytest.raises(InputError, match="holds no adapter; run dvc repro train"):
        with_model_of(adapter, settings)
    for name in ("models/adapter-photos", "models/adapter/best"):
        write_json(Path(name) / "adapter_config.json", {})
    with pytest.raises(
        InputError, match=r"holds no adapter; there are models/adapter-photos, models/adapter/best$"
    ):
        with_model_of(Path("models/adaptor-photos"), settings)
    write_json(adapter / "adapter_config.json", {})
    assert with_model_of(adapter, settings) == settings  # from elsewhere
    write_json(adapter / "base_model.json", {"name": "models/gone"})
    assert with_model_of(adapter, settings) == settings  # check_fits will name it
    other = tmp_path / "models/other"
    other.mkdir(parents=True)
    write_json(adapter / "base_model.json", {"name": "models/other"})
    assert with_model_of(adapter, settings).model.name == "models/other"
