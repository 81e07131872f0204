from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from toy import PROMPT
from vqa.foundation.unfinished import Unfinished
from vqa.pairs.pair import Pair
from vqa.vlm.blip2 import AnswerModel
from vqa.vlm.generation import Blinded, Decoding, texts_for

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
    answers = AnswerModel(model, processor, PROMPT, torch.device("cpu"))
    alone = texts_for(PAIRS, Random(), answers, Decoding(1, 5), "")
    assert texts_for(PAIRS, Random(), answers, Decoding(4, 5), "") == alone
    reverse = texts_for(PAIRS[::-1], Random(), answers, Decoding(3, 5), "")
    assert reverse[::-1] == alone


def test_blinded_features_are_zero_and_keep_their_shape() -> None:
    rows = Blinded(Random()).rows(["0.jpg", "1.jpg"])
    assert rows.shape == (2, 4, 32)
    assert not rows.any()


def test_what_a_killed_run_kept_is_used_only_for_the_very_batch_it_answered(
    model: Blip2ForConditionalGeneration, processor: Blip2Processor, tmp_path: Path
) -> None:
    answers = AnswerModel(model, processor, PROMPT, torch.device("cpu"))
    kept = Unfinished(tmp_path, {})
    expected = texts_for(PAIRS, Random(), answers, Decoding(3, 5), "", kept)
    first, (numbers, _) = next(iter(kept.read().items()))
    kept.add(first, [numbers, ["kept"] * len(numbers)])
    found = texts_for(PAIRS, Random(), answers, Decoding(3, 5), "", kept)
    assert [i for i, text in enumerate(found) if text == "kept"] == sorted(numbers)
    kept.add(first, [numbers[::-1], ["of another order"] * len(numbers)])
    kept.add(first + 1, ["of a version that kept no numbers"])
    assert texts_for(PAIRS, Random(), answers, Decoding(3, 5), "", kept) == expected
