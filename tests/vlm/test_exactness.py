"""Cached halves and full model are one function: loss, gradients and tokens, OPT and T5, fp32 and bf16."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from PIL import Image
from torch import Tensor
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from adapters import (
    ANSWERS,
    QUESTIONS,
    assert_as_close_as_bf16_to_fp32,
    assert_equal_steps,
    gradients_of,
    merged_like_in_training,
    settings,
    shake,
    step_of,
)
from toy import PROMPT, toy_model
from vqa.vlm import lora
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder, Level

CPU = torch.device("cpu")
# Largest difference allowed in fp32, of gradients relative to the largest one: some hundred roundings.
CLOSE = 1e-4
LEVELS: list[Level] = ["qformer", "vit"]


@pytest.fixture(params=["float32", "bfloat16"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    found: torch.dtype = getattr(torch, request.param)
    return found


@pytest.fixture
def cast(model: Blip2ForConditionalGeneration, dtype: torch.dtype) -> Blip2ForConditionalGeneration:
    """The toy as from_pretrained would hold it: everything in `dtype` but the Q-Former and its queries."""
    model.to(dtype)
    model.qformer.float()
    model.query_tokens.data = model.query_tokens.data.float()
    return model


@pytest.mark.parametrize("level", LEVELS)
def test_loss_and_every_gradient_equal_the_full_model_on_the_images(
    cast: Blip2ForConditionalGeneration,
    processor: Blip2Processor,
    drawings: list[Image.Image],
    dtype: torch.dtype,
    level: Level,
) -> None:
    if cast.language_model.config.is_encoder_decoder:  # as the toy has it, bf16 leaves no digit right
        for parameter in cast.language_model.parameters():
            parameter.data.div_(3.0)
    encoder = Blip2ImageEncoder(cast, processor, CPU, level)
    pixels = encoder.pixels(drawings[:3])
    with torch.no_grad():
        features = encoder.features(pixels)
    answers = Blip2AnswerModel(cast, processor, PROMPT, CPU, level)
    lora.add_adapter(answers, settings(), "toy")
    shake(answers)
    batch = answers.training_batch(QUESTIONS, ANSWERS)

    cached = step_of(answers, batch, features)
    cast.language_model = answers.language_model  # the same adapted module inside the full model
    loss = cast(pixel_values=pixels.to(dtype), **batch).loss.float()
    full = loss, gradients_of(answers, loss)

    if dtype == torch.float32:
        assert_equal_steps(cached, full, CLOSE)
    else:  # T5 rounds its log-probabilities and their mean, too, where we take both in fp32
        assert_as_close_as_bf16_to_fp32(cached, full, answers, batch, features)


@pytest.mark.parametrize("level", LEVELS)
def test_tokens_equal_the_full_model_s_alone_and_in_a_batch_of_eight(
    cast: Blip2ForConditionalGeneration,
    processor: Blip2Processor,
    drawings: list[Image.Image],
    dtype: torch.dtype,
    level: Level,
) -> None:
    encoder = Blip2ImageEncoder(cast, processor, CPU, level)
    answers = Blip2AnswerModel(cast, processor, PROMPT, CPU, level)
    questions = [QUESTIONS[i % 3] for i in range(8)]
    with torch.no_grad():
        features = encoder.features(encoder.pixels(drawings[:8]))
    said = []
    for question, drawing in zip(questions, drawings, strict=True):
        inputs = processor(images=drawing, text=PROMPT.format(question=question), return_tensors="pt")
        inputs["pixel_values"] = inputs["pixel_values"].to(dtype)
        generated = cast.generate(**inputs, max_new_tokens=6, do_sample=False)
        if not answers.is_encoder_decoder:  # the full model repeats the prompt before the answer
            generated = generated[:, inputs["input_ids"].shape[1] :]
        said.append(processor.tokenizer.batch_decode(generated, skip_special_tokens=True)[0].strip())
    assert [answers.texts([q], f[None], 6)[0] for q, f in zip(questions, features, strict=True)] == said
    if dtype == torch.float32:
        assert answers.texts(questions, features, 6) == said
    assert any(said)


def test_the_gradient_reaches_the_adapter_through_the_image(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    lora.add_adapter(answers, settings(), "toy")
    shake(answers)

    def gradients(features: Tensor) -> dict[str, Tensor]:
        answers.zero_grad()
        answers(**answers.training_batch(["What color?"], ["red"]), features=features)["loss"].backward()
        return {n: p.grad.clone() for n, p in answers.named_parameters() if p.grad is not None}

    seen, zero_image = gradients(torch.randn(1, 4, 32)), gradients(torch.zeros(1, 4, 32))
    assert all((seen[name] - zero_image[name]).abs().max() > 0 for name in seen)


@pytest.mark.parametrize(
    "changes", [{}, {"rslora": True}, {"dora": True}, {"bias": "lora_only"}, {"train_projection": True},
                {"qformer_targets": ["attention", "mlp"]}], ids=str,
)  # fmt: skip
def test_saved_loaded_and_merged_adapters_equal_the_one_in_training(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, tmp_path: Path, changes: dict[str, Any]
) -> None:
    features = torch.randn(2, 17, 32).double()

    def fresh() -> Blip2AnswerModel:
        family = "t5" if model.language_model.config.is_encoder_decoder else "opt"
        # In fp64, so that rounding can neither hide nor feign a difference.
        double = toy_model(family, processor).double()
        return Blip2AnswerModel(double, processor, PROMPT, CPU, "vit").eval()

    def logits(answers: Blip2AnswerModel) -> Tensor:
        with torch.no_grad():
            batch = answers.training_batch(["What color?", "How many?"], ["red", "2"])
            found: Tensor = answers(**batch, features=features)["logits"]
            return found

    merged = merged_like_in_training(fresh, logits, tmp_path, changes)
    assert not isinstance(merged.language_model, PeftModel)
