"""Anyone's predictions, in a CSV of their own → scores, beside another's if there is one."""

from pathlib import Path
from typing import Any

from vqa.evaluation.comparison import differences, summary
from vqa.pairs.predictions import check_same_rows, read_predictions
from vqa.scoring.bertscore import BertScorer
from vqa.scoring.scores import scores_of


def scores_of_file(
    path: Path, other: Path | None, scorer: BertScorer, draws: int, seed: int
) -> dict[str, Any]:
    """The summary of the file's answers; with `other`, of the same rows, both and the difference.

    Raises:
        InputError: a file has no answers, or the two answer different questions.
    """
    pairs, texts = read_predictions(path)
    scores = scores_of(pairs, texts, scorer)
    found = summary(pairs, scores)
    if other is None:
        return found
    other_pairs, other_texts = read_predictions(other)
    check_same_rows(path, pairs, other, other_pairs)
    theirs = scores_of(other_pairs, other_texts, scorer)
    delta = differences(pairs, scores, theirs, draws, seed)
    return {"predictions": found, "against": summary(other_pairs, theirs), "delta": delta}
