"""SmolLM2 of a GGUF file: weights, configuration and tokenizer, as transformers' own reader gives them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, LlamaConfig
from transformers.utils import logging

from vqa.core.errors import InputError, first_line
from vqa.core.files import write_json
from vqa.vlm.tokens import IMAGE_TOKEN

# A reserved token that no text has: the image token takes its place, so that no row is added to the
# vocabulary and the language model stays as it is, to the last bit.
_UNUSED_TOKEN = "<empty_output>"


def read_language_model(path: Path) -> tuple[LlamaConfig, dict[str, Tensor]]:
    """The configuration, and the tensors in fp32 with quantisation undone; tied ones once.

    Raises:
        InputError: the file is no GGUF of a Llama-like model.
    """
    with _readable(path), _quiet():
        model = AutoModelForCausalLM.from_pretrained(
            str(path.parent),
            gguf_file=path.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
        )
    if model.config.model_type != "llama":
        raise InputError(f"{path} holds a {model.config.model_type}, where a llama is expected (SmolLM2)")
    tied = model.all_tied_weights_keys
    state = {name: tensor for name, tensor in model.state_dict().items() if name not in tied}
    # Where the file lay, and how it was packed, is no part of the model.
    content = model.config.to_diff_dict()
    for key in ("_model_name_or_path", "_name_or_path", "quantization_config"):
        content.pop(key, None)
    return LlamaConfig(**content), state


def write_tokenizer(path: Path, folder: Path, positions: int) -> int:
    """Write the tokenizer of a GGUF into `folder`, with the image token; returns that token's id.

    `positions`: tokens that the model has room for.

    Raises:
        InputError: the file is no GGUF, or its vocabulary lacks the reserved token.
    """
    with _readable(path):
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    tokenizer.model_max_length = positions
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = content["model"]["vocab"]
    if _UNUSED_TOKEN not in vocabulary:
        raise InputError(f"{path}: the vocabulary has no {_UNUSED_TOKEN}, whose place the image token takes")
    number = vocabulary.pop(_UNUSED_TOKEN)
    vocabulary[IMAGE_TOKEN] = number
    content["model"]["vocab"] = dict(sorted(vocabulary.items(), key=lambda entry: entry[1]))
    added = [token for token in content["added_tokens"] if token["id"] != number]
    image: dict[str, Any] = {"id": number, "content": IMAGE_TOKEN, "special": True, "normalized": False}
    image |= {"single_word": False, "lstrip": False, "rstrip": False}
    content["added_tokens"] = sorted([*added, image], key=lambda token: int(token["id"]))
    write_json(file, content)
    return number


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read as a GGUF model ({first_line(error)})") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars of transformers, which a log would keep."""
    had_bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if had_bar:
            logging.enable_progress_bar()
