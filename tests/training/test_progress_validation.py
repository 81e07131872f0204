"""What a model is worth while it trains, from answers that the toy model gives."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from transformers import Blip2Processor

from toy import PROMPT, toy_model
from vqa.pairs.answer_normalization import first_word
from vqa.pairs.pair import Pair
from vqa.scoring.bertscore import BertScorer, cpu_scorer
from vqa.scoring.calibration import TEMPERATURES
from vqa.training.progress import Validator
from vqa.vlm.blip2 import Blip2AnswerModel

QUESTIONS = ["What color?", "How many?", "What is it?", "What shape?"]


class SeededFeatures:
    """Features of an image are random numbers that its name decides."""

    def rows(self, image_names: Sequence[str]) -> Tensor:
        """`[B, 4, 32]`."""
        seeds = (torch.Generator().manual_seed(ord(name[0])) for name in image_names)
        return torch.stack([torch.randn(4, 32, generator=seed) for seed in seeds])


@pytest.fixture
def answers(processor: Blip2Processor) -> Blip2AnswerModel:
    return Blip2AnswerModel(toy_model("opt", processor), processor, PROMPT, torch.device("cpu"))


def validator(
    answers: Blip2AnswerModel, pairs: Sequence[Pair], scorer: BertScorer | None = None
) -> Validator:
    return Validator(pairs, SeededFeatures(), answers, batch_size=3, max_new_tokens=4, scorer=scorer)


@pytest.fixture
def pairs(answers: Blip2AnswerModel) -> list[Pair]:
    """Four, of which the first is labelled with what the model answers and no other is."""
    texts = answers.texts(QUESTIONS, SeededFeatures().rows(list("abcd")), 4)
    assert first_word(texts[0])
    labels = [first_word(texts[0]), "zebra", "zebra", "zebra"]
    asked = zip("abcd", QUESTIONS, labels, strict=True)
    return [Pair(f"{name}.jpg", question, label) for name, question, label in asked]


def test_one_right_answer_of_four_is_an_exact_match_of_a_quarter(
    answers: Blip2AnswerModel, pairs: list[Pair]
) -> None:
    scores = validator(answers, pairs, cpu_scorer("minilm"))()
    assert scores["exact_match"] == 0.25
    assert 0.25 < scores["bert_score_f1"] < 1.0  # an equal word has 1, another one less


def test_too_few_questions_give_no_temperature_and_say_so(
    answers: Blip2AnswerModel, pairs: list[Pair], capsys: pytest.CaptureFixture[str]
) -> None:
    assert validator(answers, pairs).calibration() is None
    assert capsys.readouterr().out.startswith("not calibrated: ")


def test_a_temperature_is_told_from_all_questions(answers: Blip2AnswerModel) -> None:
    names, questions = list("abcd") * 10, [f"What is {number}?" for number in range(40)]
    words = map(first_word, answers.texts(questions, SeededFeatures().rows(names), 4))
    every_other = [word if number % 2 else "zebra" for number, word in enumerate(words)]
    asked = zip(names, questions, every_other, strict=True)
    pairs = [Pair(f"{name}.jpg", question, label) for name, question, label in asked]
    calibration = validator(answers, pairs).calibration()
    assert calibration is not None
    assert calibration.questions == 40
    assert calibration.temperature in TEMPERATURES
