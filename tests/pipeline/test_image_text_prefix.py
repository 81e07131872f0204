"""Each family with the seam: a shared image prefix and a row a pair are one function.

Loss, every gradient, the first ten steps and every answer, in fp32 and bf16, of images of unequal size.
BLIP-2 is in test_shared_prefix.py.
"""

import copy
import random
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    CLIPVisionConfig,
    Lfm2Config,
    LlavaConfig,
    LlavaForConditionalGeneration,
    MistralConfig,
    Qwen3_5TextConfig,
)

from adapters import Gradients, assert_equal_steps, distance, gradients_of, settings, shake
from toy import toy_model, toy_processor
from toy_image_text import features_of, model_parts, toy_image_text
from vqa.core.errors import InputError
from vqa.vlm import image_text_model, lora
from vqa.vlm.batching import IGNORED
from vqa.vlm.image_features import ImageFeatures
from vqa.vlm.shared_prefix import attention_inputs, sharing_refusal

SHARING = ("llava", "idefics3", "smolvlm", "qwen2_5_vl")
CLOSE = 1e-5  # in fp32; of gradients relative to the largest
COUNTS = [[1], [2], [10], [1, 1], [3, 1, 5], [4, 6, 7, 8, 9]]  # pairs an image
ASKED = [
    "What color is the lamp?",
    "How many?",
    "What is the rug made of, if one may ask?",
    "Which shape?",
    "Is the dark-blue chair behind the other one made of wood or of leather?",
]
SAID = ["red", "2", "wood and leather", "dark-blue"]


@pytest.fixture(params=SHARING)
def family(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def images(drawings: list[Image.Image]) -> list[Image.Image]:
    """Five, of four sizes."""
    sizes = [(64, 64), (90, 40), (40, 130), (33, 57), (64, 64)]
    return [drawing.resize(size) for drawing, size in zip(drawings, sizes, strict=False)]


def adapted(
    family: str, images: list[Image.Image]
) -> tuple[image_text_model.ImageTextAnswerModel, list[ImageFeatures]]:
    """A toy with an adapter that counts, and what it keeps of the images."""
    encoder, model = model_parts(*toy_image_text(family))
    features = features_of(encoder, images)
    lora.add_adapter(model, settings(), "toy")
    shake(model.eval())
    return model, features


def in_bf16(model: image_text_model.ImageTextAnswerModel) -> image_text_model.ImageTextAnswerModel:
    """Frozen weights rounded, the adapter not, as a run on a GPU holds them."""
    rounded = copy.deepcopy(model)
    for name, parameter in rounded.named_parameters():
        if "lora_" not in name:
            parameter.data = parameter.data.to(torch.bfloat16)
    rounded.frozen_dtype = torch.bfloat16
    rounded.is_mixed = True
    return rounded


def pairs_of(counts: list[int]) -> tuple[list[str], list[str], list[int]]:
    """Questions, answers and images of so many pairs an image."""
    rng = random.Random(sum(counts))
    of = [image for image, count in enumerate(counts) for _ in range(count)]
    return rng.choices(ASKED, k=len(of)), rng.choices(SAID, k=len(of)), of


Batch = dict[str, Any]


def batches(
    model: image_text_model.ImageTextAnswerModel, counts: list[int], features: list[ImageFeatures]
) -> tuple[Batch, Batch]:
    """A row a pair, and a prefix an image."""
    questions, answers, of = pairs_of(counts)
    alone, shared = [features[i] for i in of], features[: len(counts)]
    return (
        model.training_batch(questions, answers, alone) | {"features": alone},
        model.shared_batch(questions, answers, of, shared) | {"features": shared},
    )


def steps(
    model: image_text_model.ImageTextAnswerModel, counts: list[int], features: list[ImageFeatures]
) -> list[tuple[Tensor, Gradients]]:
    found = []
    for batch in batches(model, counts, features):
        loss = model(**batch)["loss"]
        found.append((loss.detach(), gradients_of(model, loss)))
    return found


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_loss_and_every_gradient_equal_those_of_a_row_a_pair(
    family: str, images: list[Image.Image], counts: list[int]
) -> None:
    model, features = adapted(family, images)
    alone, shared = steps(model, counts, features)
    assert_equal_steps(shared, alone, CLOSE)


@pytest.mark.parametrize("counts", [[5], [3, 1, 5]], ids=str)
def test_in_bf16_both_differ_by_no_more_than_bf16_rounds(
    family: str, images: list[Image.Image], counts: list[int]
) -> None:
    exactly, features = adapted(family, images)
    _, exact = steps(exactly, counts, features)[0]
    (alone, of_alone), (shared, of_shared) = steps(in_bf16(exactly), counts, features)
    assert distance(of_shared, of_alone) < 2 * distance(of_alone, exact)
    assert abs(float(shared - alone)) < 2**-7 * float(alone)


def test_the_first_ten_steps_end_with_equal_weights(family: str, images: list[Image.Image]) -> None:
    first, features = adapted(family, images)
    models = first, copy.deepcopy(first)
    before = {name: parameter.clone() for name, parameter in first.named_parameters()}
    for model, batch in zip(models, batches(first, [3, 1, 5], features), strict=True):
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1e-3)
        for _ in range(10):
            optimizer.zero_grad()
            model(**batch)["loss"].backward()
            optimizer.step()
    for (name, alone), shared in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(shared, alone, atol=CLOSE, rtol=CLOSE)
        assert torch.equal(alone, before[name]) is not alone.requires_grad


def test_the_loss_of_a_divided_batch_is_that_of_the_whole(family: str, images: list[Image.Image]) -> None:
    model, features = adapted(family, images)
    questions, answers, of = pairs_of([3, 1, 5])
    _, whole = batches(model, [3, 1, 5], features)
    count = (whole["labels"] != IGNORED).sum()
    parts = []
    for chosen in (slice(0, 2), slice(2, 6), slice(6, 9)):  # through the first and the last image
        first, last = of[chosen][0], of[chosen][-1]
        seen, shifted = features[first : last + 1], [image - first for image in of[chosen]]
        batch = model.shared_batch(questions[chosen], answers[chosen], shifted, seen)
        parts.append(model(**batch, features=seen, num_items_in_batch=count)["loss"])
    torch.testing.assert_close(sum(parts), model(**whole)["loss"], atol=CLOSE, rtol=CLOSE)


@pytest.mark.parametrize("is_rounded", [False, True], ids=["fp32", "bf16"])
def test_answers_beams_and_allowed_ones_are_those_of_a_row_a_question(
    family: str, images: list[Image.Image], is_rounded: bool
) -> None:
    model, features = adapted(family, images)
    if is_rounded:
        model = in_bf16(model)
    questions, _, of = pairs_of([3, 1, 10])
    alone, shared = [features[i] for i in of], features[:3]
    said = model.texts(questions, alone, 6)
    assert model.texts(questions, shared, 6, images=of) == said
    assert len(set(said)) > 4
    vocabulary = model.answer_tree(SAID)
    bound = model.texts(questions, shared, 12, vocabulary=vocabulary, images=of)
    assert bound == model.texts(questions, alone, 12, vocabulary=vocabulary)
    assert set(bound) <= set(SAID)
    if is_rounded:  # beams differ by less than bf16 rounds
        return
    assert model.texts(questions, shared, 6, 3, images=of) == model.texts(questions, alone, 6, 3)
    for ours, theirs in zip(
        model.likeliest_texts(questions, shared, 6, 3, of),
        model.likeliest_texts(questions, alone, 6, 3),
        strict=True,
    ):
        assert [text for text, _ in ours] == [text for text, _ in theirs]
        assert [p for _, p in ours] == pytest.approx([p for _, p in theirs], rel=1e-3, abs=1e-9)


def test_an_image_is_read_once_with_the_template_s_head_before_it(
    family: str, images: list[Image.Image]
) -> None:
    model, features = adapted(family, images)
    _, shared = batches(model, [3, 2], features)
    ids, image = shared["input_ids"], model.tokens.image_token_id
    assert int((ids == image).sum()) == sum(len(look.rows) for look in features[:2])
    prompt = model.tokens.prompt_ids(ASKED[0], features[0])
    head = prompt[: prompt.index(image)]
    rows = ids.tolist()
    found = sum(row[at : at + len(head)] == head for row in rows for at in range(len(row)))
    assert found == (2 if head else sum(map(len, rows)))


def test_positions_go_on_where_the_model_s_own_do(family: str, images: list[Image.Image]) -> None:
    model, features = adapted(family, images)
    look = features[1]
    shared = model.shared_batch(ASKED[:2], SAID[:2], [0, 0], [look])
    for question, answer, end in zip(ASKED[:2], SAID[:2], (True, False), strict=True):
        alone = model.training_batch([question], [answer], [look])["input_ids"]
        positions = torch.arange(alone.shape[1])[None, None]
        if family == "qwen2_5_vl":
            kinds = model._kinds_of_tokens(alone, [look.grid])
            positions, _ = model.whole.model.get_rope_index(alone, **kinds)
        ours = shared["position_ids"].reshape(positions.shape[0], -1)
        prefix = len(alone[0]) - alone[0].tolist()[::-1].index(model.tokens.image_token_id)
        behind = alone.shape[1] - prefix
        assert torch.equal(ours[:, :prefix], positions[:, 0, :prefix])
        theirs = ours[:, prefix : prefix + behind] if end else ours[:, -behind:]
        assert torch.equal(theirs, positions[:, 0, prefix:])


def test_positions_that_restart_without_a_mask_of_four_axes_cut_a_question_off_and_are_refused(
    images: list[Image.Image],
) -> None:
    """transformers reads them as sequences packed into a row: the second question loses its image."""
    model, features = adapted("llava", images)
    shared = model.shared_batch(ASKED[:2], SAID[:2], [0, 0], features[:1])
    other = [ImageFeatures(torch.zeros_like(features[0].rows))]

    def last_logits(look: list[ImageFeatures], **given: Any) -> Tensor:
        seen = model._images(model._projected(look))
        with torch.no_grad():
            found: Tensor = model.whole(
                input_ids=shared["input_ids"], use_cache=False, **given, **seen
            ).logits
            return found[0, -1]

    masked = attention_inputs(shared["attention_mask"], shared["position_ids"], torch.float32)
    assert not torch.equal(last_logits(features[:1], **masked), last_logits(other, **masked))
    packed = {"position_ids": shared["position_ids"]}
    assert torch.equal(last_logits(features[:1], **packed), last_logits(other, **packed))
    for mask in (torch.ones_like(shared["input_ids"]), shared["attention_mask"][:, 0]):
        with pytest.raises(ValueError, match="need a mask of four axes, else a question loses its image"):
            model(**shared | {"attention_mask": mask}, features=features[:1])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_either_way_of_attention_takes_the_mask(attention: str, images: list[Image.Image]) -> None:
    model, features = adapted("llava", images)
    model.whole.set_attn_implementation(attention)
    alone, shared = steps(model, [2, 3], features)
    assert_equal_steps(shared, alone, CLOSE)


_SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
}
_OTHERS = {
    "lfm2": lambda: Lfm2Config(**_SMALL, layer_types=["conv", "full_attention"]),
    "qwen3_5_text": lambda: Qwen3_5TextConfig(
        **_SMALL, layer_types=["linear_attention", "full_attention"], linear_num_value_heads=2,
        linear_num_key_heads=2, linear_key_head_dim=8, linear_value_head_dim=8,
    ),
    "mistral": lambda: MistralConfig(**_SMALL, sliding_window=16),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("lfm2", "lfm2's layers carry a state from token to token"),
        ("qwen3_5_text", "qwen3_5_text's layers carry a state from token to token"),
        ("mistral", "mistral's layers see a window of tokens"),
    ],
)
def test_language_models_that_cannot_branch_are_refused_by_name(kind: str, reason: str) -> None:
    sight = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32,
        patch_size=8,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(LlavaConfig(vision_config=sight, text_config=_OTHERS[kind]()))
    assert reason in sharing_refusal(model.model.language_model)


def test_attention_without_a_mask_of_four_axes_is_refused_by_name() -> None:
    inner = toy_image_text("llava")[0].model.language_model
    assert not sharing_refusal(inner)
    inner.config._attn_implementation = "flash_attention_2"
    assert "llama's attention (flash_attention_2) takes no mask" in sharing_refusal(inner)


def test_paligemma_and_t5_are_refused_by_name(images: list[Image.Image]) -> None:
    encoder, model = model_parts(*toy_image_text("paligemma"))
    features = features_of(encoder, images[:1])
    with pytest.raises(
        InputError, match=r"paligemma's prompt sees its image, and .*questions_per_prefix to 1"
    ):
        model.shared_batch(ASKED[:2], SAID[:2], [0, 0], features)
    t5 = toy_model("t5", toy_processor()).language_model
    assert "t5's encoder lets image tokens see the question" in sharing_refusal(t5)
