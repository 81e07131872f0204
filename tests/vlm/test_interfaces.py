"""Probabilities at a temperature: what the logits say when divided by it."""

import pytest
import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from toy import PROMPT
from vqa.vlm.blip2 import Blip2AnswerModel

CPU = torch.device("cpu")
QUESTIONS = ["What color is it?", "How many are there, if one may ask?"]


@pytest.fixture
def answerer(model: Blip2ForConditionalGeneration, processor: Blip2Processor) -> Blip2AnswerModel:
    return Blip2AnswerModel(model, processor, PROMPT, CPU).eval()


@pytest.fixture
def features(answerer: Blip2AnswerModel) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, answerer.num_query_tokens, answerer.feature_size)


def test_a_temperature_changes_probabilities_and_no_answer(
    answerer: Blip2AnswerModel, features: torch.Tensor
) -> None:
    temperatures = (0.5, 1.0, 3.0)
    texts, logs = answerer.texts_at_temperatures(QUESTIONS, features, 4, temperatures)
    assert logs.shape == (2, 3)
    assert texts == answerer.texts(QUESTIONS, features, 4)
    for column, temperature in enumerate(temperatures):
        likeliest = answerer.likeliest_texts(QUESTIONS, features, 4, temperature=temperature)
        assert [text for ((text, _),) in likeliest] == texts
        torch.testing.assert_close(
            torch.tensor([p for ((_, p),) in likeliest]), logs[:, column].exp(), rtol=1e-4, atol=0
        )
    assert (logs[:, 0] > logs[:, 1]).all()  # colder is surer of the likeliest
    assert (logs[:, 1] > logs[:, 2]).all()


def test_the_probability_is_that_of_the_logits_of_a_forward_pass(
    answerer: Blip2AnswerModel, features: torch.Tensor
) -> None:
    if answerer.is_encoder_decoder:
        pytest.skip("a T5 begins its output with a token that has no label")
    _, logs = answerer.texts_at_temperatures(QUESTIONS, features, 4, (0.7, 2.0))
    inputs, repeated = answerer._begun(QUESTIONS, features, [0, 1], 4, 1)
    assert repeated == 0
    model = answerer.language_model
    for row in range(2):
        embeds = inputs["inputs_embeds"][row : row + 1, inputs["attention_mask"][row] == 1]
        totals = torch.zeros(2)
        for _ in range(4):
            scores = model(inputs_embeds=embeds).logits[0, -1]
            token = scores.argmax()
            for column, temperature in enumerate((0.7, 2.0)):
                totals[column] += (scores / temperature).log_softmax(dim=0)[token]
            if token == answerer._end_token_id:
                break
            embeds = torch.cat([embeds, model.get_input_embeddings()(token)[None, None]], dim=1)
        torch.testing.assert_close(logs[row], totals, rtol=1e-4, atol=1e-4)


def test_beams_at_temperature_one_are_what_they_were(
    answerer: Blip2AnswerModel, features: torch.Tensor
) -> None:
    plain = answerer.likeliest_texts(QUESTIONS, features, 3, count=3)
    warm = answerer.likeliest_texts(QUESTIONS, features, 3, count=3, temperature=4.0)
    for before, after in zip(plain, warm, strict=True):
        assert [text for text, _ in before] == [text for text, _ in after]  # the search is the same
        probabilities = [p for _, p in before]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) <= 1 + 1e-5
        assert max(p for _, p in after) < max(probabilities)
