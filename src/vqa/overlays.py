"""YAML files of blocks, keys and values, laid over one another: of two that give a key the later holds.

Settings that had another name, or are gone: params.yaml, presets, grids and dvc.locks may hold them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

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


Blocks = dict[str, Any]  # block → its keys and values; unchecked, so that a block may be anything
Layer = tuple[Path, Blocks]  # a file and what is in it


def read_layer(path: Path) -> Layer:
    """The file and its content.

    Raises:
        InputError: it is not there, not YAML, or holds no blocks.
    """
    try:
        return parse_layer(path, path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; run from the top folder of the project") from error


def parse_layer(path: Path, text: str) -> Layer:
    """As `read_layer`, of a text that stands for the file."""
    try:
        content = read_yaml(text)
    except YAMLError as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no settings; give blocks of keys and values")
    return path, content


def read_yaml(text: str) -> Any:
    """YAML 1.2, as DVC reads it: 2e-3 is a number, and no is a word.

    Raises:
        YAMLError: it is none.
    """
    return YAML(typ="safe").load(text)


def merged(layers: Sequence[Layer]) -> Blocks:
    """All the files' blocks and keys, each with its last value."""
    whole: Blocks = {}
    for _, blocks in layers:
        for block, values in blocks.items():
            is_more = isinstance(values, dict) and isinstance(whole.get(block), dict)
            whole[block] = {**whole[block], **values} if is_more else values
    return whole


def find_file(key: Sequence[int | str], layers: Sequence[Layer]) -> Path:
    """The last of the files that gives a block's key, or a whole block; the first where none does."""
    block, *names = key[:2]
    giving = [
        path
        for path, blocks in layers
        if block in blocks and (not names or not isinstance(blocks[block], dict) or names[0] in blocks[block])
    ]
    return giving[-1] if giving else layers[0][0]
