"""Compute the unrelated words' scores that rescale BERTScore.

    python benchmarks/rescale.py
    python benchmarks/rescale.py --scorer roberta-large    # needs the hub, or its cache
    python benchmarks/rescale.py --answers data/vqa/test.csv

In: words of the encoder's own vocabulary, paired at random (seeded). Out: a table in src/vqa/scoring, one row
a layer, LAYER,P,R,F, as bert-score's own tables. Rescaled, unrelated words score 0 on average and equal ones
1; how they spread is on standard output. --answers writes nothing: it shows how answers of a file spread.
Source: https://github.com/Tiiiger/bert_score/blob/master/journal/rescale_baseline.md
"""

import csv
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from vqa.core.cli import command_line
from vqa.core.devices import default_device
from vqa.core.errors import run_command
from vqa.core.files import whole_file
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import read_pairs
from vqa.scoring.bertscore import BertScorer, baseline_of_words, encoder_named

PAIRS = 20_000
SEED = 0


def run(
    scorer: Annotated[Literal["minilm", "roberta-large"], typer.Option(help="whose table")] = "minilm",
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="show different answers of these pairs instead")
    ] = None,
) -> None:
    encoder, drawn = encoder_named(scorer), random.Random(SEED)
    if answers is not None:
        answer_words = [normalize_answer(pair.answer) for pair in read_pairs(answers)]
        left, right = drawn.choices(answer_words, k=PAIRS), drawn.choices(answer_words, k=PAIRS)
        print(_spread(f"different answers of {answers}", BertScorer(encoder, default_device()), left, right))
        return
    words = BertScorer(encoder, default_device()).word_list()
    left, right = drawn.choices(words, k=PAIRS), drawn.choices(words, k=PAIRS)
    rows = []
    for layer in range(encoder.num_layers + 1):
        at_layer = BertScorer(replace(encoder, num_layers=layer), default_device(), is_rescaled=False)
        means = at_layer.scores(left, right).mean(axis=0)
        rows.append([layer, *(f"{mean:.6f}" for mean in means)])
        print(*rows[-1])
    table = baseline_of_words(scorer)
    with whole_file(table) as file:
        csv.writer(file, lineterminator="\n").writerows([("LAYER", "P", "R", "F"), *rows])
    rescaled = BertScorer(replace(encoder, baseline=table), default_device())
    print(_spread("unrelated words", rescaled, left, right))


def _spread(of_what: str, scorer: BertScorer, left: Sequence[str], right: Sequence[str]) -> str:
    """How F1 of pairs of different words spreads."""
    unlike = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
    if not unlike:
        return f"{of_what}: there are none"
    f1 = scorer.scores(*zip(*unlike, strict=True))[:, 2]
    shares = ", ".join(f"{share} % below {np.quantile(f1, share / 100):.2f}" for share in (5, 50, 95))
    return f"F1 of {of_what}: mean {f1.mean():.2f}; {shares}; {np.mean(f1 > 0.5):.1%} above 0.5"


if __name__ == "__main__":
    run_command(command_line(__doc__, run))
