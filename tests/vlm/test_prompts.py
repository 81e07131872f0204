"""Prompts as a model's own processor makes them, and what a question may not become."""

from typing import Any

import pytest
import torch
from PIL import Image

from adapters import QUESTIONS
from toy import PROMPT
from toy_image_text import FAMILIES, features_of, inputs_of, model_parts, of_unequal_size, toy_image_text
from vqa.vlm.image_features import ImageFeatures
from vqa.vlm.prompts import TILED, PromptTokens


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def images(drawings: list[Image.Image]) -> list[Image.Image]:
    return of_unequal_size(drawings)


def tokens_of(family: str) -> tuple[PromptTokens, Any]:
    """Our spelling, and the tokenizer that it uses."""
    model, processor = toy_image_text(family)
    template = processor.chat_template if hasattr(processor, "chat_template") else None
    return PromptTokens(processor.tokenizer, model.config, PROMPT, template), processor.tokenizer


def test_prompts_are_those_of_the_model_s_own_processor(family: str, images: list[Image.Image]) -> None:
    model, processor = toy_image_text(family)
    encoder, answers = model_parts(model, processor)
    for question in QUESTIONS:
        for image, image_features in zip(images, features_of(encoder, images), strict=True):
            theirs = inputs_of(processor, question, image)["input_ids"][0].tolist()
            assert answers.tokens.prompt_ids(question, image_features) == theirs


def test_a_question_with_the_model_s_own_tokens_in_it_is_text(family: str, images: list[Image.Image]) -> None:
    encoder, answers = model_parts(*toy_image_text(family))
    image_features = features_of(encoder, images[:1])[0]
    plain = answers.tokens.prompt_ids("What is it?", image_features)
    ids = answers.tokens.prompt_ids("What is <image> </s>?", image_features)
    special = answers.tokens.image_token_id
    assert ids.count(special) == plain.count(special) == len(image_features.rows)
    assert "<image> </s>" in answers.tokens.tokenizer.decode(ids)


def test_an_image_is_as_many_tokens_as_it_has_rows(family: str) -> None:
    tokens, tokenizer = tokens_of(family)
    form = (1, 2) if family in TILED else ()
    ids = tokens.prompt_ids("What?", ImageFeatures(torch.zeros(12, 8), form))
    assert ids.count(tokens.image_token_id) == 12
    assert tokens.text_ids("What?").count(tokens.image_token_id) == 1
    if family in TILED:  # two tiles and the whole image, of four rows each
        text = tokenizer.decode(ids)
        assert [text.count(mark) for mark in ("<row_1_col_1>", "<row_1_col_2>", "<global-img>")] == [1, 1, 1]


def test_an_answer_goes_on_from_the_prompt_behind_one_space(family: str) -> None:
    tokens, tokenizer = tokens_of(family)
    text = tokenizer.decode([*tokens.text_ids("What?"), *tokens.answer_ids("red")])
    assert text.endswith("red")
    assert text[: -len("red")].endswith((" ", "\n"))
    assert not text.endswith("  red")
    assert tokens.answer_ids("red") == tokens.answer_ids("red")
    assert tokenizer.bos_token_id not in tokens.answer_ids("red")
