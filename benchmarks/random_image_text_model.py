"""A random-weight copy of a published image-text model, laid out as the hub's cache holds the real one.

Widths, vocabulary size, special-token ids and images are the published ones; words are tokenized by a
vocabulary learnt from the drawn catalogue and filled up, whatever kind of tokenizer the model has.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [
    str(Path(__file__).parents[1] / folder) for folder in ("src", "models/recipes", "tests/helpers")
]

from hub_cache import SHARD_BYTES, write_copy
from random_blip2 import byte_level
from transformers import (
    CLIPImageProcessorPil,
    Idefics3ImageProcessorPil,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)
from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE

from toy_image_text import LLAVA_TEMPLATE, QWEN_TEMPLATE
from vqa.memory_estimate.meta_device import on_meta


@dataclass(frozen=True)
class Published:
    """What a family's repositories have beside config and weights."""

    tokens: dict[int, str]  # special ones, by id
    begin: str | None
    end: str
    pad: str
    image_processor: Any
    template: str | None = None


_PLACES = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
_QWEN = "endoftext im_start im_end object_ref_start object_ref_end box_start box_end quad_start quad_end "
_QWEN += "vision_start vision_end vision_pad image_pad video_pad"
_FAMILIES = {
    "llava": Published(
        {0: "<unk>", 1: "<s>", 2: "</s>", 32000: "<image>", 32001: "<pad>"},
        "<s>",
        "</s>",
        "<pad>",
        CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}),
        LLAVA_TEMPLATE,
    ),
    "paligemma": Published(
        {0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 257152: "<image>"},
        "<bos>",
        "<eos>",
        "<pad>",
        SiglipImageProcessorPil(size={"height": 224, "width": 224}),
    ),
    "idefics3": Published(
        {0: "<|endoftext|>", 1: "<|im_start|>", 2: "<|im_end|>", 49152: "<global-img>"}
        | {49153 + number: place for number, place in enumerate(_PLACES)}
        | {49189: "<fake_token_around_image>", 49190: "<image>", 49279: "<end_of_utterance>"},
        "<|im_start|>",
        "<end_of_utterance>",
        "<|im_end|>",
        Idefics3ImageProcessorPil(size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}),
        DEFAULT_CHAT_TEMPLATE,
    ),
    "qwen2_5_vl": Published(
        {151643 + number: f"<|{name}|>" for number, name in enumerate(_QWEN.split())},
        None,
        "<|im_end|>",
        "<|endoftext|>",
        Qwen2VLImageProcessorPil(),
        QWEN_TEMPLATE,
    ),
}


def write_to_hub_cache(hub: Path, repository: str, config: Any, shard_bytes: int = SHARD_BYTES) -> Path:
    """The snapshot folder of `repository` in the cache `hub`; see `hub_cache.write_copy`."""
    return write_copy(hub, repository, _small_files(config), on_meta(config), shard_bytes)


def _small_files(config: Any) -> dict[str, str]:
    """All but the weights, by file name."""
    published = _FAMILIES[config.model_type]
    text = config.get_text_config()
    ids = {token: number for number, token in published.tokens.items()}
    begin, end = published.begin, published.end
    tokenizer = byte_level(text.vocab_size, published.tokens)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": end,
        "pad_token": published.pad,
        "model_max_length": 1_000_000,
    } | ({"bos_token": begin} if begin else {})
    if published.template:
        settings["chat_template"] = published.template
    generation = {"eos_token_id": ids[end], "pad_token_id": ids[published.pad]}
    if begin:
        generation["bos_token_id"] = ids[begin]
    contents: dict[str, Any] = {
        "config.json": config.to_dict() | {"torch_dtype": "float16"},
        "generation_config.json": generation,
        "preprocessor_config.json": json.loads(published.image_processor.to_json_string()),
        "tokenizer_config.json": settings,
        "tokenizer.json": json.loads(tokenizer.to_str()),
    }
    return {file: json.dumps(content, indent=2) for file, content in contents.items()}
