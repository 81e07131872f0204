"""Settings that had another name: params.yaml, presets, grids and old dvc.locks may still hold it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqa.foundation.errors import InputError

NEW_NAMES = {
    "evaluate.batch_size": "decoding.batch_size",
    "evaluate.max_new_tokens": "decoding.max_new_tokens",
    "evaluate.num_beams": "decoding.num_beams",
    "evaluate.constrained": "decoding.constrained",
    "evaluate.compare": "zero_shot.models",
    "evaluate.speed_images": "benchmark.images",
    "model.watch": "model.dvc_dep",
    "train.pairs_together": "train.questions_per_prefix",
    "train.verdicts": "verify.train_on",
    "validate.near_copy_bits": "validate.max_hash_distance",
    "validate.near_duplicate_overlap": "validate.min_question_jaccard",
    "validate.review_pairs": "verify.review_pairs",
}


def refuse_old_name(path: Path, key: str) -> None:
    """Stop at a key that has another name now, such as "model.watch" in the file `path`.

    Raises:
        InputError: it has; the sentence says which.
    """
    if key in NEW_NAMES:
        raise InputError(f"{path}: {key} is called {NEW_NAMES[key]} now; rename it")


def refuse_old_names(path: Path, blocks: Mapping[Any, Any]) -> None:
    """As `refuse_old_name`, for every key of a file's blocks."""
    for block, values in blocks.items():
        for name in values if isinstance(values, Mapping) else ():
            refuse_old_name(path, f"{block}.{name}")


def with_new_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run of any time ("evaluate.batch_size" → 64) by the names of today."""
    return {NEW_NAMES.get(key, key): value for key, value in settings.items()}
