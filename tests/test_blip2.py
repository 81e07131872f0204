"""The two halves are the full model, to the last token, for OPT and for T5."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from toy import PROMPT
from vqa.blip2 import AnswerModel, Checkpoint, ImageEncoder
from vqa.errors import InputError

CPU = torch.device("cpu")
QUESTIONS = ["What color is the lamp?", "How many?", "What is the rug made of, if one may ask?"]


@pytest.fixture
def halves(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> tuple[ImageEncoder, AnswerModel]:
    return ImageEncoder(model, processor, CPU), AnswerModel(model, processor, PROMPT, CPU)


def test_cached_logits_and_loss_equal_the_full_model_on_the_pictures(
    model: Blip2ForConditionalGeneration,
    halves: tuple[ImageEncoder, AnswerModel],
    drawings: list[Image.Image],
) -> None:
    encoder, answers = halves
    pixels = encoder.pixels(drawings[:3])
    batch = answers.training_batch(QUESTIONS, ["red", "2", "wood"])
    with torch.no_grad():
        full = model(pixel_values=pixels, **batch)
        cached = answers.language_model(**answers.forward(batch, encoder.features(pixels)))
    torch.testing.assert_close(cached.logits, full.logits, atol=1e-4, rtol=0)
    assert full.logits.std() > 0.1  # not equal for want of anything in them
    torch.testing.assert_close(cached.loss, full.loss, atol=1e-4, rtol=0)


def test_generated_tokens_equal_the_full_model(
    model: Blip2ForConditionalGeneration,
    processor: Blip2Processor,
    halves: tuple[ImageEncoder, AnswerModel],
    drawings: list[Image.Image],
) -> None:
    encoder, answers = halves
    said = []
    for question, drawing in zip(QUESTIONS, drawings, strict=False):
        prompt = PROMPT.format(question=question)
        inputs = processor(images=drawing, text=prompt, return_tensors="pt")
        generated = model.generate(**inputs, max_new_tokens=6, do_sample=False)
        if not answers.is_encoder_decoder:  # the full model repeats the prompt before the answer
            generated = generated[:, inputs["input_ids"].shape[1] :]
        expected = processor.tokenizer.batch_decode(generated, skip_special_tokens=True)[0].strip()
        features = encoder.features(encoder.pixels([drawing]))
        assert answers.texts([question], features, max_new_tokens=6) == [expected]
        said.append(expected)
    assert any(said)


def test_prompt_ids_are_the_processor_s(
    processor: Blip2Processor, halves: tuple[ImageEncoder, AnswerModel], drawings: list[Image.Image]
) -> None:
    batch = halves[1].training_batch([QUESTIONS[0]], ["x"])
    expected = processor(images=drawings[0], text=PROMPT.format(question=QUESTIONS[0]))["input_ids"][0]
    assert batch["input_ids"][0, : len(expected)].tolist() == expected


def test_the_batch_a_question_sits_in_does_not_change_its_answer(
    halves: tuple[ImageEncoder, AnswerModel], drawings: list[Image.Image]
) -> None:
    encoder, answers = halves
    features = encoder.features(encoder.pixels(drawings[:3]))
    together = answers.texts(QUESTIONS, features, max_new_tokens=6)
    alone = [
        answers.texts([q], f[None], max_new_tokens=6)[0] for q, f in zip(QUESTIONS, features, strict=True)
    ]
    assert together == alone


def test_the_picture_changes_the_logits(
    halves: tuple[ImageEncoder, AnswerModel], drawings: list[Image.Image]
) -> None:
    encoder, answers = halves
    features = encoder.features(encoder.pixels(drawings[:1]))
    batch = answers.training_batch(QUESTIONS[:1], ["red"])
    seen = answers.language_model(**answers.forward(batch, features)).logits
    blind = answers.language_model(**answers.forward(batch, features * 0)).logits
    assert (seen - blind).abs().max() > 1e-3


def test_only_the_answer_and_its_end_token_carry_a_label(
    model: Blip2ForConditionalGeneration,
    processor: Blip2Processor,
    halves: tuple[ImageEncoder, AnswerModel],
) -> None:
    answers = halves[1]
    labels = answers.training_batch(QUESTIONS, ["red", "2", "wood"])["labels"]
    end = model.generation_config.eos_token_id
    for row, word in zip(labels, ["red", "2", "wood"], strict=True):
        kept = row[row != -100].tolist()
        assert kept[-1] == end
        assert processor.tokenizer.decode(kept[:-1]).strip() == word


def test_a_missing_model_and_a_model_that_is_not_blip2_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.name is '.*nowhere'.*no model can be read there"):
        Checkpoint(str(tmp_path / "nowhere")).load(torch.float32)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="a bert model, not BLIP-2"):
        Checkpoint(str(tmp_path)).load(torch.float32)


def test_the_fingerprint_changes_with_the_weights(toy_folder: Path, tmp_path: Path) -> None:
    first = Checkpoint(str(toy_folder)).identity()
    for path in toy_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert Checkpoint(str(tmp_path)).identity()["fingerprint"] == first["fingerprint"]
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert Checkpoint(str(tmp_path)).identity()["fingerprint"] != first["fingerprint"]
