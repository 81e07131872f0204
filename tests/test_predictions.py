import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import Blip2ForConditionalGeneration, Blip2Processor

from toy import PROMPT
from vqa.blip2 import AnswerModel
from vqa.pairs import Pair
from vqa.predictions import COLUMNS, Blinded, Decoding, texts_for, write_predictions

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


def test_the_predictions_file_keeps_the_whole_text_beside_the_answer(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", PAIRS[:2], ["it is red", ""])
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["generated_answer"], rows[0]["generated_text"]) == ("it", "it is red")
    assert rows[1]["generated_answer"] == ""
