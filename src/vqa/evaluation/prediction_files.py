"""Anyone's predictions, in a CSV of their own → scores, beside another's if there is one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vqa.evaluation.comparison import differences, summary
from vqa.pairs.foreign_predictions import align, read_predictions
from vqa.scoring.bertscore import BertScorer
from vqa.scoring.scores import score_texts


def scores_of_file(
    path: Path,
    other: Path | None,
    named: Mapping[str, str],
    load_scorer: Callable[[], BertScorer],
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """The summary of the file's answers; with `other`, of the same rows, both and the difference.

    `named`: our column → what the files call it. The encoder is loaded once both files were read.

    Raises:
        InputError: a file has no answers, or the two answer different questions.
    """
    ours = read_predictions(path, named)
    theirs = align(ours, read_predictions(other, named)) if other else None
    scorer = load_scorer()
    scores = score_texts(ours.pairs, ours.texts, scorer)
    metrics = summary(ours.pairs, scores) | {"data": ours.counts()}
    if theirs is None:
        return metrics
    others = score_texts(theirs.pairs, theirs.texts, scorer)
    against = summary(theirs.pairs, others) | {"data": theirs.counts()}
    delta = differences(ours.pairs, scores, others, draws, seed)
    return {"predictions": metrics, "against": against, "delta": delta}
