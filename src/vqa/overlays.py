"""YAML files of blocks, keys and values, laid over one another: of two that give a key the later holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from vqa.core.errors import InputError

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
