from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from toy import PROMPT
from vqa.core.partial_results import PartialResults
from vqa.pairs.pair import Pair
from vqa.vlm.blip2 import Blip2AnswerModel
from vqa.vlm.generation import (
    Decoding,
    ShuffledImages,
    ZeroImages,
    generate_texts,
    images_of_other_groups,
    without_questions,
)

PAIRS = [Pair(f"{i % 3}.jpg", "What " + "very " * (i % 4) + "color?", "red", "color") for i in range(7)]


class Random:
    def rows(self, image_names: Sequence[str]) -> torch.Tensor:
        return torch.stack(
            [
                torch.randn(4, 32, generator=torch.Generator().manual_seed(int(name[0])))
                for name in image_names
            ]
        )


def test_texts_come_in_the_pairs_order_whatever_the_batch_size(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, torch.device("cpu"))
    alone = generate_texts(PAIRS, Random(), answers, Decoding(1, 5), "")
    assert generate_texts(PAIRS, Random(), answers, Decoding(4, 5), "") == alone
    reverse = generate_texts(PAIRS[::-1], Random(), answers, Decoding(3, 5), "")
    assert reverse[::-1] == alone


def test_blinded_features_are_zero_and_keep_their_shape() -> None:
    rows = ZeroImages(Random()).rows(["0.jpg", "1.jpg"])
    assert rows.shape == (2, 4, 32)
    assert not rows.any()


def test_nothing_asked_is_the_prompt_around_no_words_and_one_text_an_image(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, torch.device("cpu"))
    wordless, images = without_questions(PAIRS)
    found = generate_texts(wordless, Random(), answers, Decoding(4, 5), "")
    assert found == answers.texts(["", "", ""], Random().rows(["0", "1", "2"]), max_new_tokens=5)
    assert images == [i % 3 for i in range(7)]


def in_groups(sizes: Sequence[int]) -> list[Pair]:
    """Two questions about each image."""
    groups = [str(group) for group, size in enumerate(sizes) for _ in range(size)]
    return [Pair(f"{i}.jpg", question, "", split_group=g) for i, g in enumerate(groups) for question in "ab"]


@pytest.mark.parametrize("sizes", [[1, 1], [2, 2], [3, 1, 2], [1] * 9, [5, 2, 2, 1], [12, 1, 12]])
def test_another_image_is_of_another_group_and_stands_for_one_only(sizes: Sequence[int]) -> None:
    pairs = in_groups(sizes)
    group_of = {pair.image_name: pair.split_group for pair in pairs}
    for seed in range(20):
        other = images_of_other_groups(pairs, seed)
        assert other.keys() == set(other.values()) == group_of.keys()
        assert all(group_of[name] != group_of[theirs] for name, theirs in other.items())


def test_images_of_a_group_that_has_most_share_the_few_others() -> None:
    pairs = in_groups([5, 1, 1])
    other = images_of_other_groups(pairs, 0)
    assert sorted(other[f"{i}.jpg"] in {"5.jpg", "6.jpg"} for i in range(7)) == [False] * 2 + [True] * 5
    assert sorted(Counter(other[f"{i}.jpg"] for i in range(5)).values()) == [2, 3]


def test_images_of_one_group_alone_stand_for_each_other() -> None:
    other = images_of_other_groups(in_groups([3]), 0)
    assert all(name != theirs for name, theirs in other.items())
    assert images_of_other_groups(in_groups([1]), 0) == {"0.jpg": "0.jpg"}


def test_the_seed_decides_which_image_stands_for_which_and_their_order_does_not() -> None:
    pairs = in_groups([1] * 20)
    drawn = images_of_other_groups(pairs, 0)
    assert images_of_other_groups(pairs[::-1], 0) == drawn != images_of_other_groups(pairs, 1)


def test_another_image_takes_as_many_tokens_where_another_group_has_such_a_one() -> None:
    pairs = in_groups([2, 1, 1, 1, 1, 1, 1])
    form_of = dict(zip((f"{i}.jpg" for i in range(8)), "aaaabbcd", strict=True))
    group_of = {pair.image_name: pair.split_group for pair in pairs}
    for seed in range(20):
        other = images_of_other_groups(pairs, seed, form_of.__getitem__)
        assert other.keys() == group_of.keys() == set(other.values())
        assert all(group_of[name] != group_of[theirs] for name, theirs in other.items())
        assert all(form_of[name] == form_of[other[name]] for name in group_of if form_of[name] in "ab")
        assert (other["6.jpg"], other["7.jpg"]) == ("7.jpg", "6.jpg")  # of forms that no other has


def test_an_image_whose_form_no_other_has_looks_at_any_of_another_group() -> None:
    pairs = in_groups([1, 2, 2])
    form_of = dict(zip((f"{i}.jpg" for i in range(5)), "xaaaa", strict=True))
    other = images_of_other_groups(pairs, 0, form_of.__getitem__)
    assert other["0.jpg"] in {f"{i}.jpg" for i in range(1, 5)}
    assert {other[f"{i}.jpg"] for i in range(1, 5)} == {f"{i}.jpg" for i in range(1, 5)}


def test_swapped_features_are_the_other_image_s() -> None:
    other = {"0.jpg": "1.jpg", "1.jpg": "0.jpg"}
    assert torch.equal(
        ShuffledImages(Random(), other).rows(["0.jpg", "1.jpg"]), Random().rows(["1.jpg", "0.jpg"])
    )


def test_what_a_killed_run_kept_is_used_for_its_pairs_whatever_the_batch_size(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, tmp_path: Path
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, torch.device("cpu"))
    kept = PartialResults(tmp_path, {})
    expected = generate_texts(PAIRS, Random(), answers, Decoding(3, 5), "", kept)
    numbers = list(kept.read())[:4]
    kept = PartialResults(tmp_path / "killed", {})
    kept.add(dict.fromkeys(numbers, "kept"))
    found = generate_texts(PAIRS, Random(), answers, Decoding(2, 5), "", kept)
    assert found == ["kept" if i in numbers else expected[i] for i in range(len(PAIRS))]
    assert Decoding(3, 5).decisive() == Decoding(2, 5).decisive() != Decoding(3, 6).decisive()


def test_what_another_version_kept_by_batch_is_answered_again(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, tmp_path: Path
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, torch.device("cpu"))
    kept = PartialResults(tmp_path, {})
    kept.add({0: [[0, 4], ["of a version that", "kept batches"]]})
    expected = generate_texts(PAIRS, Random(), answers, Decoding(3, 5), "")
    assert generate_texts(PAIRS, Random(), answers, Decoding(3, 5), "", kept) == expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_features_in_the_dtype_of_the_disk_are_read_as_the_same_numbers_in_fp32(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, dtype: torch.dtype
) -> None:
    answers = Blip2AnswerModel(model, processor, PROMPT, torch.device("cpu"))
    rows = Random().rows(["0", "1"]).to(dtype)
    batch = answers.training_batch(["What color?", "How many?"], ["red", "2"])
    assert torch.equal(
        answers(**batch, features=rows)["logits"], answers(**batch, features=rows.float())["logits"]
    )
