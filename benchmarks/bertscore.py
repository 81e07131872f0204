"""Scoring four systems at once against four plain bert_score.score calls, in one run.

    python benchmarks/bertscore.py

1,000 one-word answers a system, half of them right, drawn from 200 words, as real answers repeat. Both use
MiniLM at layer 6 on the same texts, loaded once before; the scores must agree. Our scorer is built once and
embeds each distinct string once over all systems; the plain calls load the encoder four times.
"""

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import bert_score
import numpy as np
import torch

from vqa.scoring.bertscore import BertScorer, encoder_named

PAIRS, SYSTEMS = 1000, 4


def main() -> None:
    encoder = encoder_named("minilm")
    rng = random.Random(0)
    bert_score.score(["a"], ["b"], model_type=encoder.path, num_layers=encoder.num_layers)
    start = time.perf_counter()
    scorer = BertScorer(encoder, torch.device("cpu"), is_rescaled=False)
    loading = time.perf_counter() - start
    words = rng.sample(scorer.word_list(), 200)
    references = [rng.choice(words) for _ in range(PAIRS)]
    systems = [[r if rng.random() < 0.5 else rng.choice(words) for r in references] for _ in range(SYSTEMS)]

    start = time.perf_counter()
    together = scorer.scores([answer for answers in systems for answer in answers], references * SYSTEMS)
    ours = loading + time.perf_counter() - start

    start = time.perf_counter()
    plain = []
    for answers in systems:
        scores = bert_score.score(answers, references, model_type=encoder.path, num_layers=encoder.num_layers)
        plain.append(torch.stack(scores, dim=1).numpy())
    theirs = time.perf_counter() - start
    np.testing.assert_allclose(together, np.concatenate(plain), atol=1e-4)
    print(f"{SYSTEMS} systems of {PAIRS} answers: ours {ours:.2f} s, of it loading {loading:.2f} s")
    print(f"{SYSTEMS} plain bert_score.score calls {theirs:.2f} s: {theirs / ours:.1f} ×")


if __name__ == "__main__":
    main()
