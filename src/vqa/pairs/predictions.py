"""Our file of predictions: pairs and a model's answer to each. Other files: `foreign_predictions`."""

from collections.abc import Sequence
from pathlib import Path

from vqa.core.csv_tables import read_rows, write_rows
from vqa.core.errors import InputError
from vqa.pairs.answer_normalization import compared_part, exact_match, first_word
from vqa.pairs.pair import ALSO_RIGHT, Pair, join_also_right

GROUP = "split_group"  # of the images that stay together; left out where the pairs name none
COLUMNS = ("image_name", "question", "answer", "generated_answer", "generated_text", "question_type")


def write_predictions(path: Path, pairs: Sequence[Pair], texts: Sequence[str]) -> None:
    columns = [
        *COLUMNS,
        *([GROUP] if any(pair.split_group for pair in pairs) else []),
        *([ALSO_RIGHT] if any(pair.also_right for pair in pairs) else []),
    ]
    rows = (
        {
            "image_name": pair.image_name,
            "question": pair.question,
            "answer": pair.answer,
            "generated_answer": first_word(text),
            "generated_text": text,
            "question_type": pair.question_type,
            GROUP: pair.split_group,
        }
        | join_also_right(pair)
        for pair, text in zip(pairs, texts, strict=True)
    )
    write_rows(path, columns, rows)


def is_right(pair: Pair, text: str) -> bool:
    """Whether a generated text is one of the pair's right answers, by exact match."""
    return any(exact_match(compared_part(text, right), right) for right in pair.right_answers)


def read_texts(path: Path, pairs: Sequence[Pair], stage: str) -> list[str]:
    """The generated texts of a predictions file that `stage` wrote, in the order of `pairs`.

    Raises:
        InputError: the file is of other pairs.
    """
    rows = read_rows(path, COLUMNS)
    texts = {(row["image_name"], row["question"]): row["generated_text"] for row in rows}
    if set(texts) != {pair.key for pair in pairs}:
        raise InputError(f"{path} answers other pairs than the test split; run dvc repro --force {stage}")
    return [texts[pair.key] for pair in pairs]
