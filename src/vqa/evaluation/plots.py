"""What `dvc plots show` and `dvc plots diff` draw of an evaluation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqa.core.csv_tables import write_rows
from vqa.evaluation.systems import LORA
from vqa.pairs.answer_normalization import first_word, normalize_answer
from vqa.pairs.pair import Pair

_COMMONEST = 12  # answers in the confusion


def write(
    folder: Path, pairs: Sequence[Pair], texts: Mapping[str, Sequence[str]], intervals: Mapping[str, Any]
) -> None:
    """by_type.csv (the adapter's exact match) and confusion.csv (the commonest answers, the adapter's)."""
    rows = [
        {"question_type": kind, "exact_match": str(entry["exact_match"])}
        for kind, entry in intervals["systems"][LORA.key].items()
    ]
    write_rows(folder / "by_type.csv", ["question_type", "exact_match"], rows)
    confused = [{"actual": a, "predicted": p} for a, p in confusions(pairs, texts[LORA.key])]
    write_rows(folder / "confusion.csv", ["actual", "predicted"], confused)


def confusions(pairs: Sequence[Pair], texts: Sequence[str]) -> list[tuple[str, str]]:
    """(right, given) of every pair whose right answer is among the commonest; rare given ones are "other"."""
    right = [normalize_answer(pair.answer) for pair in pairs]
    common = {answer for answer, _ in Counter(right).most_common(_COMMONEST)}
    given = [normalize_answer(first_word(text)) for text in texts]
    return [(r, g if g in common else "other") for r, g in zip(right, given, strict=True) if r in common]
