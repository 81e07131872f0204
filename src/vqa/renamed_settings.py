"""Settings that had another name, or are gone: params.yaml, presets, grids and dvc.locks may hold them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vqa.core.errors import InputError

NEW_NAMES = {
    "evaluate.batch_size": "decoding.batch_size",
    "evaluate.max_new_tokens": "decoding.max_new_tokens",
    "evaluate.num_beams": "decoding.num_beams",
    "evaluate.constrained": "decoding.constrained",
    "evaluate.compare": "zero_shot.models",
    "evaluate.speed_images": "benchmark.images",
    "model.watch": "model.dvc_dep",
    "train.blind": "train.zero_image",
    "train.pairs_together": "train.questions_per_prefix",
    "train.verdicts": "verify.train_on",
    "verify.blind_opinion": "verify.opinion_without_image",
    "validate.near_copy_bits": "validate.max_hash_distance",
    "validate.near_duplicate_overlap": "validate.min_question_jaccard",
    "validate.review_pairs": "verify.review_pairs",
}

_PRICED = "prices are known by model now, and generate.prices gives that of another one"
GONE = {  # → why; nothing of today does the same
    "generate.usd_per_million_input_tokens": _PRICED,
    "generate.usd_per_million_output_tokens": _PRICED,
    "verify.usd_per_million_input_tokens": _PRICED,
    "verify.usd_per_million_output_tokens": _PRICED,
    "demo.seed": "the catalogue is always drawn from seed 0",
    "evaluate.seed": "the bootstrap always draws from seed 0",
    "generate.seed": "which images are asked about is always drawn from seed 0",
    "generate.max_listings_per_image": "an image on more than 20 listings is always boilerplate",
    "generate.max_output_tokens": "an answer may always have 2,048 tokens",
    "generate.temperature": "it is always 0 where a model takes one",
    "train.group_by_length": "batches of like lengths cost 7 points of exact match (docs/log.md)",
    "train.max_grad_norm": "gradients are always clipped at 1.0",
}


def refuse_old_name(path: Path, key: str) -> None:
    """Stop at a key that has another name now or is gone, such as "model.watch" in the file `path`.

    Raises:
        InputError: it has; the sentence says which, or why it is gone.
    """
    if key in NEW_NAMES:
        raise InputError(f"{path}: {key} is called {NEW_NAMES[key]} now; rename it")
    if key in GONE:
        raise InputError(f"{path}: {key} is gone: {GONE[key]}; remove it")


def refuse_old_names(path: Path, blocks: Mapping[Any, Any]) -> None:
    """As `refuse_old_name`, for every key of a file's blocks."""
    for block, values in blocks.items():
        for name in values if isinstance(values, Mapping) else ():
            refuse_old_name(path, f"{block}.{name}")


def with_new_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run of any time ("evaluate.batch_size" → 64) by the names of today."""
    return {NEW_NAMES.get(key, key): value for key, value in settings.items()}
