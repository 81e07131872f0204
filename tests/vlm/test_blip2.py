"""The live half: prompts, labels, batches."""

import pytest
import torch
from PIL import Image
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from paths import ROOT
from toy import PROMPT
from vqa.vlm.batching import IGNORED
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")
QUESTIONS = ["What color is the lamp?", "How many?", "What is the rug made of, if one may ask?"]


@pytest.fixture
def model_parts(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> tuple[Blip2ImageEncoder, Blip2AnswerModel]:
    return Blip2ImageEncoder(model, processor, CPU), Blip2AnswerModel(model, processor, PROMPT, CPU)


def test_prompt_ids_are_the_processor_s(
    processor: Blip2Processor,
    model_parts: tuple[Blip2ImageEncoder, Blip2AnswerModel],
    drawings: list[Image.Image],
) -> None:
    batch = model_parts[1].training_batch([QUESTIONS[0]], ["x"])
    expected = processor(images=drawings[0], text=PROMPT.format(question=QUESTIONS[0]))["input_ids"][0]
    assert batch["input_ids"][0, : len(expected)].tolist() == expected


def test_the_batch_a_question_sits_in_does_not_change_its_answer(
    model_parts: tuple[Blip2ImageEncoder, Blip2AnswerModel], drawings: list[Image.Image]
) -> None:
    encoder, answers = model_parts
    features = encoder.features(encoder.pixels(drawings[:3]))
    together = answers.texts(QUESTIONS, features, max_new_tokens=6)
    alone = [
        answers.texts([q], f[None], max_new_tokens=6)[0] for q, f in zip(QUESTIONS, features, strict=True)
    ]
    assert together == alone


def test_the_image_changes_the_logits(
    model_parts: tuple[Blip2ImageEncoder, Blip2AnswerModel], drawings: list[Image.Image]
) -> None:
    encoder, answers = model_parts
    features = encoder.features(encoder.pixels(drawings[:1]))
    batch = answers.training_batch(QUESTIONS[:1], ["red"])
    seen = answers(**batch, features=features)["logits"]
    zero_image = answers(**batch, features=features * 0)["logits"]
    assert (seen - zero_image).abs().max() > 1e-3


def test_only_the_answer_and_its_end_token_carry_a_label(
    model: Blip2ForConditionalGeneration,
    processor: Blip2Processor,
    model_parts: tuple[Blip2ImageEncoder, Blip2AnswerModel],
) -> None:
    answers = model_parts[1]
    labels = answers.training_batch(QUESTIONS, ["red", "2", "wood"])["labels"]
    end = model.generation_config.eos_token_id
    for row, word in zip(labels, ["red", "2", "wood"], strict=True):
        kept = row[row != -100].tolist()
        assert kept[-1] == end
        assert processor.tokenizer.decode(kept[:-1]).strip() == word


def test_the_loss_of_a_divided_batch_is_that_of_the_whole(
    model_parts: tuple[Blip2ImageEncoder, Blip2AnswerModel], drawings: list[Image.Image]
) -> None:
    encoder, answers = model_parts
    features = encoder.features(encoder.pixels(drawings[:3]))
    whole = answers.training_batch(QUESTIONS, ["red", "2", "wood and leather"])
    count = (whole["labels"] != -100).sum()
    parts = [
        answers(
            **{name: rows[i : i + 1] for name, rows in whole.items()},
            features=features[i : i + 1],
            num_items_in_batch=count,
        )["loss"]
        for i in range(3)
    ]
    torch.testing.assert_close(sum(parts), answers(**whole, features=features)["loss"])


@pytest.mark.parametrize("count", [1, 3])
def test_probabilities_of_one_token_are_the_softmax_of_its_logits(
    model_parts: tuple[Blip2ImageEncoder, Blip2AnswerModel], drawings: list[Image.Image], count: int
) -> None:
    encoder, answers = model_parts
    features = encoder.features(encoder.pixels(drawings[:3]))
    found = answers.likeliest_texts(QUESTIONS, features, max_new_tokens=1, count=count)
    batch = answers.training_batch(QUESTIONS, ["x"] * 3)
    logits = answers(**batch, features=features)["logits"]
    labelled = (batch["labels"] != IGNORED).sum(dim=1).tolist()
    for of_question, said in zip(logits.split(labelled), found, strict=True):
        expected = of_question[0].softmax(dim=0).topk(count).values
        torch.testing.assert_close(torch.tensor([p for _, p in said]), expected, rtol=1e-3, atol=1e-6)


def test_probabilities_of_words_are_those_the_loss_gives_them(drawings: list[Image.Image]) -> None:
    pretrained = Pretrained(str(ROOT / "models/blip2-tiny"))
    model, processor = pretrained.load(CPU), pretrained.load_processor()
    encoder, answers = (
        Blip2ImageEncoder(model, processor, CPU),
        Blip2AnswerModel(model, processor, PROMPT, CPU),
    )
    features = encoder.features(encoder.pixels(drawings[:1]))
    question = ["What color is it?"]
    ranked = answers.likeliest_texts(question, features, max_new_tokens=10, count=4)[0]
    assert [p for _, p in ranked] == sorted((p for _, p in ranked), reverse=True)
    for text, probability in ranked:
        batch = answers.training_batch(question, [text])
        tokens = int((batch["labels"] != IGNORED).sum())
        with torch.inference_mode():
            loss = answers(**batch, features=features)["loss"]
        assert probability == pytest.approx(float((-loss * tokens).exp()), rel=1e-3)
    greedy = answers.likeliest_texts(question, features, max_new_tokens=10)[0]
    assert [greedy[0][0]] == answers.texts(question, features, max_new_tokens=10)
