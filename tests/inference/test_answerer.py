"""One model that answers as it came and as adapted, in turn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import answer_adapted
import answer_base
import evaluate
import measure_speed
from commands import contents
from stages import TO_TRAINED
from vqa.core.errors import InputError
from vqa.inference.answerer import Answerer
from vqa.pairs.predictions import write_predictions
from vqa.settings import load_settings
from vqa.vlm.blip2 import Blip2AnswerModel

Project = Callable[..., Path]
CPU = torch.device("cpu")
ADAPTER = Path("models/adapter/best")
QUESTIONS = ["What color is it?", "How many are there?", "What is it made of?"]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Blip2AnswerModel]:
    """Every language model that is put to use from here on."""
    found: list[Blip2AnswerModel] = []
    begin = Blip2AnswerModel.__init__

    def counted(self: Blip2AnswerModel, *arguments: Any, **named: Any) -> None:
        found.append(self)
        begin(self, *arguments, **named)

    monkeypatch.setattr(Blip2AnswerModel, "__init__", counted)
    return found


@pytest.mark.parametrize(
    "adapter",
    [{}, {"bias": "all", "train_projection": True}, {"qformer_targets": ["attention"], "bias": "lora_only"}],
    ids=str,
)
def test_base_and_adapted_share_one_language_model_and_answer_as_each_alone(
    project_after: Project,
    loaded: list[Blip2AnswerModel],
    drawings: list[Image.Image],
    adapter: dict[str, Any],
) -> None:
    level = "vit" if "qformer_targets" in adapter else "qformer"
    project_after(TO_TRAINED, lora={"r": 4, **adapter}, train={"images": 8}, features={"level": level})
    settings = load_settings()
    loaded.clear()
    both = Answerer(settings, CPU, ADAPTER, is_switched=True)
    assert len(loaded) == 1
    alone = {False: Answerer(settings, CPU, None), True: Answerer(settings, CPU, ADAPTER)}
    features = both.features(drawings[:3])
    for is_adapted in (False, True, False, True):
        ours = both.answers(features, QUESTIONS, 3, is_adapted=is_adapted)
        theirs = alone[is_adapted].answers(features, QUESTIONS, 3)
        assert [[a.word for a in said] for said in ours] == [[a.word for a in said] for said in theirs]
        for said, expected in zip(ours, theirs, strict=True):
            found = torch.tensor([answer.probability for answer in said])
            torch.testing.assert_close(
                found, torch.tensor([a.probability for a in expected]), atol=1e-4, rtol=0
            )
    assert both.answers(features, QUESTIONS, 1) != both.answers(features, QUESTIONS, 1, is_adapted=False)


def test_speed_is_measured_with_one_language_model_and_judging_loads_none(
    project_after: Project, loaded: list[Blip2AnswerModel]
) -> None:
    project_after((*TO_TRAINED, answer_base, answer_adapted), train={"images": 4})
    loaded.clear()
    measure_speed.run()
    assert len(loaded) == 1
    evaluate.run()
    assert len(loaded) == 1


def test_answers_that_another_run_is_writing_are_not_written_by_a_second_one(
    project_after: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_after(TO_TRAINED, train={"images": 4})
    for answer in (answer_base, answer_adapted):

        def written(*arguments: Any, answer: Any = answer) -> None:
            monkeypatch.setattr(answer, "write_predictions", write_predictions)
            with pytest.raises(InputError, match=r"another run is writing .*/answers/\w+/lock; wait"):
                answer.run()
            write_predictions(*arguments)

        monkeypatch.setattr(answer, "write_predictions", written)
        answer.run()
    assert not Path(".state/answers").exists()


def test_equal_predictions_are_judged_with_equal_bytes(project_after: Project) -> None:
    project_after((*TO_TRAINED, answer_base, answer_adapted, evaluate), train={"images": 4})
    first = contents(Path("metrics")) | contents(Path("metrics/plots/evaluate"))
    evaluate.run()
    assert contents(Path("metrics")) | contents(Path("metrics/plots/evaluate")) == first


def test_a_judgement_that_fails_costs_no_answer(
    project_after: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_after((*TO_TRAINED, answer_base, answer_adapted), train={"images": 4})
    answers = contents(Path("data/predictions"))
    monkeypatch.setattr(evaluate, "report_page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate.run()
    assert contents(Path("data/predictions")) == answers
