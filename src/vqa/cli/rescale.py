"""Compute the scores of unrelated words, which rescale BERTScore.

    python src rescale

In: the words of the MiniLM encoder's own vocabulary, paired at random (seeded). Out: one row a layer,
LAYER,P,R,F, as bert-score's own tables. Rescaled, unrelated words score 0 and equal ones 1.
Source: https://github.com/Tiiiger/bert_score/blob/master/journal/rescale_baseline.md
"""

import csv
import random
from dataclasses import replace

from vqa.foundation.command_line import command_line
from vqa.foundation.devices import default_device
from vqa.foundation.files import whole_file
from vqa.scoring.bertscore import BertScorer, encoder_named

PAIRS = 20_000
SEED = 0


def run() -> None:
    encoder = encoder_named("minilm")
    rows = []
    for layer in range(encoder.num_layers + 1):
        scorer = BertScorer(replace(encoder, num_layers=layer), default_device(), is_rescaled=False)
        words = scorer.word_list()
        rng = random.Random(SEED)
        answers, references = rng.choices(words, k=PAIRS), rng.choices(words, k=PAIRS)
        means = scorer.scores(answers, references).mean(axis=0)
        rows.append([layer, *(f"{mean:.6f}" for mean in means)])
        print(*rows[-1])
    with whole_file(encoder.baseline) as file:
        csv.writer(file, lineterminator="\n").writerows([("LAYER", "P", "R", "F"), *rows])


app = command_line(__doc__, run)
