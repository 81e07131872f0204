"""One look for many questions and a row a pair are one function: loss, gradients, steps, answers."""

import copy
import random
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from adapters import Gradients, distance, gradients_of, settings, shake
from toy import PROMPT, toy_model
from vqa.pairs.pair import Pair
from vqa.training.batches import CachedPairs, collate
from vqa.vlm import lora
from vqa.vlm.batching import IGNORED, at_least
from vqa.vlm.blip2 import Blip2AnswerModel, Level
from vqa.vlm.generation import Decoding, generate_texts
from vqa.vlm.shared_prefix import Prefix, shared_rows

CPU = torch.device("cpu")
CLOSE = 1e-5  # in fp32; of gradients relative to the largest
QUESTIONS = [
    "What color is the lamp?",
    "How many?",
    "What is the rug made of, if one may ask?",
    "Which shape?",
]
ANSWERS = ["red", "2", "wood and leather", "dark-blue"]
# Pairs an image. The last fills two rows, the second padded.
COUNTS = [[1], [2], [10], [1, 1], [3, 1, 5], [7, 10, 4, 9, 1, 2]]
LEVELS: list[Level] = ["qformer", "vit"]


def answer_model(processor: Blip2Processor, level: Level = "qformer") -> Blip2AnswerModel:
    """A toy OPT with an adapter that counts."""
    model = Blip2AnswerModel(toy_model("opt", processor), processor, PROMPT, CPU, level)
    targets = ["attention", "mlp"]
    in_sight = {"qformer_targets": targets, "train_projection": True} if level == "vit" else {}
    lora.add_adapter(model, settings(**in_sight), "toy")
    shake(model)
    return model


def texts(counts: list[int]) -> tuple[list[str], list[str], list[int]]:
    """Questions, answers and images of so many pairs an image."""
    rng = random.Random(sum(counts))
    images = [image for image, count in enumerate(counts) for _ in range(count)]
    return rng.choices(QUESTIONS, k=len(images)), rng.choices(ANSWERS, k=len(images)), images


def seen(images: int, level: Level) -> Tensor:
    torch.manual_seed(2)
    return torch.randn(images, 4 if level == "qformer" else 17, 32)


def both_ways(
    model: Blip2AnswerModel, counts: list[int], level: Level
) -> tuple[tuple[Tensor, Gradients], ...]:
    """Loss and gradients of a row a pair, and of one shared prefix an image."""
    questions, answers, images = texts(counts)
    features = seen(len(counts), level)
    alone = model(**model.training_batch(questions, answers), features=features[images])["loss"]
    of_alone = gradients_of(model, alone)
    shared = model(**model.shared_batch(questions, answers, images, features), features=features)["loss"]
    return (alone.detach(), of_alone), (shared.detach(), gradients_of(model, shared))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_loss_and_every_gradient_equal_those_of_a_row_a_pair(
    processor: Blip2Processor, counts: list[int], level: Level
) -> None:
    (alone, of_alone), (shared, of_shared) = both_ways(answer_model(processor, level), counts, level)
    torch.testing.assert_close(shared, alone, atol=CLOSE, rtol=CLOSE)
    for name, gradient in of_alone.items():
        largest = float(gradient.abs().max())
        torch.testing.assert_close(of_shared[name], gradient, atol=CLOSE * max(1.0, largest), rtol=0)


@pytest.mark.parametrize("counts", [[5], [3, 1, 5]], ids=str)
def test_in_bf16_both_differ_by_no_more_than_bf16_rounds(
    processor: Blip2Processor, counts: list[int]
) -> None:
    exactly = answer_model(processor)
    rounded = copy.deepcopy(exactly)
    for name, parameter in rounded.named_parameters():
        if "lora_" not in name:
            parameter.data = parameter.data.to(torch.bfloat16)
    rounded.frozen_dtype = torch.bfloat16
    (_, exact), _ = both_ways(exactly, counts, "qformer")
    (alone, of_alone), (shared, of_shared) = both_ways(rounded, counts, "qformer")
    assert distance(of_shared, of_alone) < 2 * distance(of_alone, exact)
    assert abs(float(shared - alone)) < 2**-7 * float(alone)


def test_the_first_ten_steps_end_with_equal_weights(processor: Blip2Processor) -> None:
    models = answer_model(processor), answer_model(processor)
    questions, answers, images = texts([3, 1, 5])
    features = seen(3, "qformer")
    batches = (
        models[0].training_batch(questions, answers) | {"features": features[images]},
        models[1].shared_batch(questions, answers, images, features) | {"features": features},
    )
    for model, batch in zip(models, batches, strict=True):
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1e-2)
        for _ in range(10):
            optimizer.zero_grad()
            model(**batch)["loss"].backward()
            optimizer.step()
    before = dict(answer_model(processor).named_parameters())
    for (name, alone), shared in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(shared, alone, atol=CLOSE, rtol=CLOSE)
        assert torch.equal(alone, before[name]) is not alone.requires_grad


def test_the_loss_of_a_divided_batch_is_that_of_the_whole(processor: Blip2Processor) -> None:
    model, features = answer_model(processor), seen(3, "qformer")
    questions, answers, images = texts([3, 1, 5])
    whole = model(**model.shared_batch(questions, answers, images, features), features=features)["loss"]
    labels = model.training_batch(questions, answers)["labels"]
    parts = []
    for chosen in (slice(0, 2), slice(2, 6), slice(6, 9)):  # through the first and the last image
        of = images[chosen]
        rows = features[of[0] : of[-1] + 1]
        batch = model.shared_batch(questions[chosen], answers[chosen], [p - of[0] for p in of], rows)
        count = (labels != IGNORED).sum()
        parts.append(model(**batch, features=rows, num_items_in_batch=count)["loss"])
    torch.testing.assert_close(sum(parts), whole, atol=CLOSE, rtol=CLOSE)


def test_a_pair_sees_its_image_and_itself_and_its_positions_follow_the_image() -> None:
    # Images of two tokens; the first has two pairs of one and two tokens, the second one pair.
    prefixes = [Prefix.counted([9, 9])] * 2
    rows = shared_rows(prefixes, [[5], [6, 7], [8]], [[3], [4], [3]], [0, 0, 1], 1)
    assert rows["input_ids"].tolist() == [[9, 9, 5, 3, 6, 7, 4, 9, 9, 8, 3]]
    assert rows["position_ids"].tolist() == [[0, 1, 2, 3, 2, 3, 4, 0, 1, 2, 3]]
    assert [label for label in rows["labels"][0].tolist() if label != IGNORED] == [3, 4, 3]
    sees = rows["attention_mask"][0, 0].int().tolist()
    assert sees[3] == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert sees[6] == [1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0]
    assert sees[10] == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]


def test_rows_are_filled_so_that_least_is_padded() -> None:
    def widths(texts: list[int]) -> list[int]:
        prefixes, behind = [Prefix.counted([9] * 32)] * len(texts), [[5] * text for text in texts]
        rows = shared_rows(prefixes, behind, [[3]] * len(texts), list(range(len(texts))), 1)["labels"]
        return list(rows.shape)

    assert widths([97, 89, 85, 107]) == [4, 140]  # two a row would be three rows of 252
    assert widths([119, 23, 23, 23, 23]) == [2, 208]  # the first with one more, and the other three
    assert widths([300, 10]) == [2, 333]


def test_the_head_is_asked_at_labelled_positions_alone(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    batch = answers.training_batch(QUESTIONS * 4, ANSWERS * 4)
    labelled = int((batch["labels"] != IGNORED).sum())
    shapes = []
    head = answers.language_model.get_output_embeddings()
    handle = head.register_forward_hook(lambda _, given, made: shapes.append(made.shape))
    logits = answers(**batch, features=torch.randn(16, 4, 32))["logits"]
    handle.remove()
    assert shapes == [logits.shape]
    assert len(logits) == labelled < batch["input_ids"].numel()


def test_where_few_positions_are_chosen_the_first_others_join_them() -> None:
    chosen = torch.tensor([[False, True, False], [False, False, True]])
    assert at_least(4, chosen).tolist() == [[True, True, True], [False, False, True]]
    assert at_least(2, chosen) is chosen
    assert at_least(9, chosen).all()


class Counted:
    """Random features by name; counts how many images were asked for."""

    def __init__(self, names: list[str]) -> None:
        torch.manual_seed(3)
        self.asked = 0
        self._rows = {name: torch.randn(4, 32) for name in names}

    def rows(self, image_names: Sequence[str]) -> Tensor:
        self.asked += len(image_names)
        return torch.stack([self._rows[name] for name in image_names])


def pairs_of(counts: list[int]) -> list[Pair]:
    questions, answers, images = texts(counts)
    return [Pair(f"{p}.jpg", q, a) for q, a, p in zip(questions, answers, images, strict=True)]


def test_collated_pairs_of_an_image_share_a_look_but_not_t5_s(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    dataset = CachedPairs(pairs_of([3, 1, 2]), Counted(["0.jpg", "1.jpg", "2.jpg"]))
    rows = [dataset[i] for i in (4, 0, 3, 5, 2, 1)]  # images 2 0 1 2 0 0
    shared, alone = (collate(answers, is_shared)(rows) for is_shared in (True, False))
    assert shared["numbers"] == [4, 0, 3, 5, 2, 1]
    assert len(shared["features"]) == (6 if answers.is_encoder_decoder else 3)
    for batch in (shared, alone):
        del batch["numbers"]
    torch.testing.assert_close(answers(**shared)["loss"], answers(**alone)["loss"], atol=CLOSE, rtol=CLOSE)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("counts", COUNTS[:5], ids=str)
def test_branches_of_one_look_say_and_weigh_what_a_row_a_question_does(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, counts: list[int], beams: int
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    questions, _, images = texts(counts)
    features = seen(len(counts), "qformer")
    said = answers.texts(questions, features, 6, beams, images=images)
    assert said == answers.texts(questions, features[images], 6, beams)
    vocabulary = answers.answer_tree(ANSWERS)
    bound = answers.texts(questions, features, 12, vocabulary=vocabulary, images=images)
    assert bound == answers.texts(questions, features[images], 12, vocabulary=vocabulary)
    assert set(bound) <= set(ANSWERS)
    shared = answers.likeliest_texts(questions, features, 6, beams, images)
    alone = answers.likeliest_texts(questions, features[images], 6, beams)
    for ours, theirs in zip(shared, alone, strict=True):
        assert [text for text, _ in ours] == [text for text, _ in theirs]
        assert [p for _, p in ours] == pytest.approx([p for _, p in theirs], rel=1e-3, abs=1e-9)


def test_an_image_is_read_once_for_all_its_questions(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    pairs = pairs_of([4, 4, 4])
    random.Random(0).shuffle(pairs)
    features = Counted(["0.jpg", "1.jpg", "2.jpg"])
    read = []
    handle = answers.projection.register_forward_pre_hook(lambda _, given: read.append(len(given[0])))
    together = generate_texts(pairs, features, answers, Decoding(6, 5), "")
    handle.remove()
    if answers.is_encoder_decoder:
        assert sum(read) == 12
    else:
        assert sum(read) == features.asked == 4  # the second image's questions are divided among two batches
    assert together == generate_texts(pairs, features, answers, Decoding(1, 5), "")


def test_images_that_nobody_asks_about_change_no_answer(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, CPU)
    features = seen(4, "qformer")
    for of in ([2], [0, 0, 2, 2, 2]):
        questions = [QUESTIONS[i % 4] for i in range(len(of))]
        said = answers.texts(questions, features, 6, images=of)
        assert said == answers.texts(questions, features[of], 6)
