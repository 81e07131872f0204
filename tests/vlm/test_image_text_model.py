"""Each family with the seam: cached halves and full model are one function, from its own processor on.

Loss, every gradient and tokens, in fp32 and bf16, of images of unequal size.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from PIL import Image
from torch import Tensor

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
from toy import PROMPT
from toy_image_text import (
    FAMILIES,
    features_of,
    image_text_folder,
    inputs_of,
    model_parts,
    of_unequal_size,
    toy_image_text,
)
from vqa.core.errors import InputError
from vqa.vlm import attached_adapter, image_text_model, lora
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")
CLOSE = 1e-5  # in fp32, of gradients relative to the largest one


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    found: torch.dtype = request.param
    return found


@pytest.fixture
def images(drawings: list[Image.Image]) -> list[Image.Image]:
    return of_unequal_size(drawings)


def test_loss_and_every_gradient_equal_the_full_model_on_the_images(
    family: str, dtype: torch.dtype, images: list[Image.Image]
) -> None:
    model, processor = toy_image_text(family)
    encoder, answers = model_parts(model.to(dtype), processor)
    features = features_of(encoder, images[:3])
    lora.add_adapter(answers, settings(), "toy")
    shake(answers)

    batch = answers.training_batch(QUESTIONS, ANSWERS, features)
    cached = step_of(answers, batch, features)
    loss = full_loss_of(model, processor, batch, images[:3])
    full = loss, gradients_of(answers, loss)
    assert any("lora_A" in name for name in full[1])

    if dtype == torch.float32:
        assert_equal_steps(cached, full, CLOSE)
    else:
        assert_as_close_as_bf16_to_fp32(cached, full, answers, batch, features)


def full_loss_of(model: Any, processor: Any, batch: dict[str, Tensor], images: list[Image.Image]) -> Tensor:
    """Of the whole model on pixels, a pair at a time, weighted by its labels."""
    total, count = torch.zeros(()), 0
    for row, (question, image) in enumerate(zip(QUESTIONS, images, strict=True)):
        inputs = inputs_of(processor, question, image)
        labels = batch["labels"][row]
        said = labels[labels >= 0][None]
        prompt = inputs["input_ids"].shape[1]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], said], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        for kinds, kind in (("token_type_ids", 1), ("mm_token_type_ids", 0)):
            if kinds in inputs:
                inputs[kinds] = torch.cat([inputs[kinds], torch.full_like(said, kind)], dim=1)
        inputs["labels"] = inputs["input_ids"].clone()
        inputs["labels"][:, :prompt] = -100
        inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
        total = total + model(**inputs).loss.float() * said.shape[1]
        count += said.shape[1]
    return total / count


def test_tokens_equal_the_full_model_s_alone_and_in_a_batch_of_eight(
    family: str, dtype: torch.dtype, images: list[Image.Image]
) -> None:
    model, processor = toy_image_text(family)
    encoder, answers = model_parts(model.to(dtype), processor)
    features = features_of(encoder, images)
    questions = [QUESTIONS[i % 3] for i in range(8)]
    said = []
    for question, image in zip(questions, images, strict=True):
        inputs = inputs_of(processor, question, image)
        inputs["pixel_values"] = inputs["pixel_values"].to(dtype)
        generated = model.generate(**inputs, max_new_tokens=6, do_sample=False, repetition_penalty=1.0)
        new = generated[:, inputs["input_ids"].shape[1] :]
        said.append(processor.tokenizer.batch_decode(new, skip_special_tokens=True)[0].strip())
    assert [
        answers.texts([q], [image_features], 6)[0]
        for q, image_features in zip(questions, features, strict=True)
    ] == said
    assert len(set(said)) > 4
    if dtype == torch.float32:
        assert answers.texts(questions, features, 6) == said
        once = [0, 0, 1, 1, 2, 2, 3, 3]  # several questions about an image
        alone = [answers.texts([q], [features[i]], 6)[0] for q, i in zip(questions, once, strict=True)]
        assert answers.texts(questions, features[:4], 6, images=once) == alone


def test_beams_are_the_full_model_s_and_only_allowed_answers_are_said(
    family: str, images: list[Image.Image]
) -> None:
    model, processor = toy_image_text(family)
    encoder, answers = model_parts(model, processor)
    features = features_of(encoder, images[:2])
    ours = answers.likeliest_texts(QUESTIONS[:2], features, 4, 3)
    for question, image, found in zip(QUESTIONS, images[:2], ours, strict=False):
        inputs = inputs_of(processor, question, image)
        generated = model.generate(
            **inputs, max_new_tokens=4, do_sample=False, repetition_penalty=1.0, num_beams=3,
            num_return_sequences=3, length_penalty=0.0, eos_token_id=answers._end_token_id,
        )  # fmt: skip
        new = generated[:, inputs["input_ids"].shape[1] :]
        theirs = processor.tokenizer.batch_decode(new, skip_special_tokens=True)
        assert [text for text, _ in found] == [text.strip() for text in theirs]
        assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
    vocabulary = answers.answer_tree(ANSWERS)
    assert set(answers.texts(QUESTIONS[:2], features, 6, vocabulary=vocabulary)) <= set(ANSWERS)


@pytest.mark.parametrize("changes", [{}, {"dora": True}, {"rslora": True}], ids=str)
def test_saved_loaded_and_merged_adapters_equal_the_one_in_training(
    family: str, images: list[Image.Image], tmp_path: Path, changes: dict[str, Any]
) -> None:
    encoder, _ = model_parts(*toy_image_text(family))
    features = features_of(encoder, images[:3])

    def fresh() -> image_text_model.ImageTextAnswerModel:
        model, processor = toy_image_text(family)
        return model_parts(model.double(), processor)[
            1
        ].eval()  # rounding can neither hide nor feign anything

    def logits(answers: AnswerModel) -> Tensor:
        with torch.no_grad():
            batch = answers.training_batch(QUESTIONS, ANSWERS, features)
            found: Tensor = answers(**batch, features=features)["logits"]
            return found

    merged = merged_like_in_training(fresh, logits, tmp_path, changes)
    assert not any(isinstance(module, PeftModel) for module in merged.modules())
    switched = fresh()
    adapter = attached_adapter.AttachedAdapter(switched, tmp_path)
    with adapter.disabled():
        torch.testing.assert_close(logits(switched), logits(fresh()), atol=0, rtol=0)


@pytest.mark.parametrize("family", ["llava", "paligemma"])  # whose rows are cached before a projector
def test_a_trained_projector_is_in_the_merged_model_as_it_was_beside_it(
    family: str, images: list[Image.Image], tmp_path: Path
) -> None:
    def fresh() -> tuple[Any, Any, Any, image_text_model.ImageTextAnswerModel]:
        model, processor = toy_image_text(family)
        return model.double(), processor, *model_parts(model, processor)

    _, _, encoder, trained = fresh()
    features = features_of(encoder, images[:3])
    plain = trained.texts(QUESTIONS, features, 6)
    lora.add_adapter(trained, settings(train_projection=True), "toy")
    shake(trained.eval())
    for parameter in trained.projection.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    lora.save_adapter(trained, tmp_path / "adapter")
    batch = trained.training_batch(QUESTIONS, ANSWERS, features)
    loss, said = trained(**batch, features=features)["loss"], trained.texts(QUESTIONS, features, 6)
    assert said != plain

    whole, processor, _, merged = fresh()
    attached = fresh()[3]
    attached_adapter.merge(merged, tmp_path / "adapter")
    attached_adapter.merge(attached, tmp_path / "adapter", is_merged=False)
    for other in (merged, attached):
        torch.testing.assert_close(other(**batch, features=features)["loss"], loss, atol=1e-5, rtol=0)
        assert other.texts(QUESTIONS, features, 6) == said
    whole.save_pretrained(tmp_path / "merged")
    exported = type(whole).from_pretrained(tmp_path / "merged", dtype=torch.float64).eval()
    on_pixels = full_loss_of(exported, processor, batch, images[:3])
    torch.testing.assert_close(on_pixels, loss.float(), atol=1e-5, rtol=0)


def test_only_what_is_inside_the_language_model_trains(family: str) -> None:
    answers = model_parts(*toy_image_text(family))[1]
    lora.add_adapter(answers, settings(), "toy")
    inside = {id(parameter) for parameter in answers.language_model.parameters()}
    trains = [parameter for parameter in answers.parameters() if parameter.requires_grad]
    assert trains
    assert all(id(parameter) in inside for parameter in trains)
    with pytest.raises(InputError, match="a Q-Former, which only BLIP-2 has"):
        lora.add_adapter(
            model_parts(*toy_image_text(family))[1], settings(qformer_targets=["attention"]), "toy"
        )


def test_from_a_folder_each_half_is_loaded_without_the_other(
    family: str, images: list[Image.Image], tmp_path: Path
) -> None:
    pretrained = Pretrained(str(image_text_folder(family, tmp_path)))
    pretrained.check()
    whole_encoder, whole_answers = pretrained.load_model_parts(PROMPT, CPU, "qformer")
    encoder = pretrained.load_encoder(CPU, "qformer")
    answers = pretrained.load_answer_model(PROMPT, CPU, "qformer")
    features, theirs = features_of(encoder, images), features_of(whole_encoder, images)
    assert all(torch.equal(a.rows, b.rows) for a, b in zip(features, theirs, strict=True))
    questions = [QUESTIONS[i % 3] for i in range(8)]
    assert answers.texts(questions, features, 6) == whole_answers.texts(questions, features, 6)
    assert isinstance(encoder, image_text_model.ImageTextEncoder)
    assert isinstance(answers, image_text_model.ImageTextAnswerModel)
    frozen, live = (str(module) for module in (encoder._model, answers))
    assert "embed_tokens" not in frozen
    assert "lm_head" not in frozen
    assert "ision" not in live  # no module of the kind VisionModel, VisionTransformer


def test_too_long_a_question_is_named(family: str, images: list[Image.Image]) -> None:
    encoder, answers = model_parts(*toy_image_text(family))
    features = features_of(encoder, images[:1])
    room = 512 - len(answers.tokens.prompt_ids("é", features[0])) - 6
    answers.texts(["é" * (room // 2)], features, 6)
    with pytest.raises(InputError, match="and the model has room for 512; shorten it"):
        answers.texts(["é" * 2 * room], features, 6)
