"""Other families of models, real classes with random weights, through the same pipeline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    Blip2Processor,
)

import answer_others
import generate
import validate
from toy_others import MAKERS, vilt
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.partial_results import PartialResults
from vqa.inference.other_models import OtherModel, answer_with_other_model, refuse_equal_titles
from vqa.pairs.pair import Pair
from vqa.pairs.predictions import write_predictions
from vqa.settings import OnRegions

CPU = torch.device("cpu")


@pytest.fixture(params=sorted(MAKERS))
def other(request: pytest.FixtureRequest, tmp_path: Path, processor: Blip2Processor) -> Path:
    torch.manual_seed(0)
    MAKERS[request.param](tmp_path / request.param, processor)
    return tmp_path / request.param


def test_each_family_answers_each_question(other: Path, drawings: list[Image.Image]) -> None:
    model = OtherModel(str(other), CPU)
    said = [model.text(image, "What color is the lamp?", 3) for image in drawings[:2]]
    assert all(isinstance(text, str) and "USER" not in text for text in said)
    if other.name == "vilt":
        assert set(said) <= {"red", "blue", "wood"}


def test_other_models_answer_the_test_split_in_our_schema(
    project: Callable[..., Path], tmp_path: Path, processor: Blip2Processor
) -> None:
    vilt(tmp_path / "vilt", processor)
    project(zero_shot={"models": [str(tmp_path / "vilt")]})
    generate.run()
    validate.run()
    answer_others.run()
    assert not Path(".state/answers").exists()
    (path,) = Path("data/predictions/others").glob("*.csv")
    rows = read_rows(path, ["generated_answer"])
    assert len(rows) == len(read_rows(Path("data/vqa/test.csv"), ["answer"]))
    assert {row["generated_answer"] for row in rows} <= {"red", "blue", "wood"}


def test_a_second_comparison_waits_for_the_first(
    project: Callable[..., Path],
    tmp_path: Path,
    processor: Blip2Processor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vilt(tmp_path / "vilt", processor)
    project(zero_shot={"models": [str(tmp_path / "vilt")]})
    generate.run()
    validate.run()

    def written(*arguments: Any) -> None:
        monkeypatch.setattr(answer_others, "write_predictions", write_predictions)
        with pytest.raises(InputError, match=r"another run is writing .*/lock; wait for it to end"):
            answer_others.run()
        write_predictions(*arguments)

    monkeypatch.setattr(answer_others, "write_predictions", written)
    answer_others.run()


def test_what_is_no_such_model_is_named(tmp_path: Path, catalogue: Path) -> None:
    pairs = [Pair("a.jpg", "Q?", "a")]
    with pytest.raises(InputError, match=r"zero_shot\.models has .*nowhere.* no model can be read there"):
        answer_with_other_model(
            str(tmp_path / "nowhere"), pairs, catalogue, 3, CPU, PartialResults(tmp_path / "work", {})
        )
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match=r"a bert model, which does not answer questions about images"):
        answer_with_other_model(
            str(tmp_path), pairs, catalogue, 3, CPU, PartialResults(tmp_path / "work", {})
        )


def test_two_rows_of_one_name_are_refused() -> None:
    entries = [OnRegions("a", "b", Path(answers)) for answers in ("one.txt", "other.txt")]
    with pytest.raises(InputError, match="has a on b, not its training features twice; leave one out"):
        refuse_equal_titles(entries)
    refuse_equal_titles([*entries[:1], "a"])
