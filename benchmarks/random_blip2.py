"""A random-weight copy of a published BLIP-2, laid out as the hub's cache holds the real one.

Widths, vocabulary size and special-token ids are the published ones, so that memory, speed and every token id
are; words are tokenized by a vocabulary learnt from the drawn catalogue and filled up.
"""

import json
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("src", "models/recipes")]

from hub_cache import SHARD_BYTES, write_copy
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import Blip2Config

from small_blip2 import captions
from vqa.memory_estimate.meta_device import on_meta

NEWLINE = "Ċ"  # as byte-level BPE spells it
_WORDS = 4000  # learnt, at most; the rest of a vocabulary is never used
_OPT_WORDS, _OPT_NEWLINE = 50265, 50118
_T5_WORDS = 32000
_PIXELS = {
    "image_processor_type": "BlipImageProcessor",
    "processor_class": "Blip2Processor",
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "rescale_factor": 1 / 255,
}


def write_to_hub_cache(hub: Path, name: str, config: Blip2Config, shard_bytes: int = SHARD_BYTES) -> Path:
    """The snapshot folder of `Salesforce/<name>` in the cache `hub`; see `hub_cache.write_copy`."""
    return write_copy(hub, f"Salesforce/{name}", _small_files(config), on_meta(config), shard_bytes)


def _small_files(config: Blip2Config) -> dict[str, str]:
    """All but the weights, by file name."""
    is_t5 = config.text_config.model_type == "t5"
    tokenizer, settings = _t5_tokenizer() if is_t5 else _opt_tokenizer()
    side = config.vision_config.image_size
    generation = {"eos_token_id": 1, "pad_token_id": 0, "decoder_start_token_id": 0}
    if not is_t5:
        generation = {"bos_token_id": 2, "eos_token_id": _OPT_NEWLINE, "pad_token_id": 1}
    contents: dict[str, Any] = {
        "config.json": _config(config),
        "generation_config.json": generation,
        "preprocessor_config.json": {**_PIXELS, "size": {"height": side, "width": side}},
        "processor_config.json": {
            "num_query_tokens": config.num_query_tokens,
            "processor_class": "Blip2Processor",
        },
        "tokenizer_config.json": settings | {"processor_class": "Blip2Processor"},
        "tokenizer.json": json.loads(tokenizer.to_str()),
    }
    return {file: json.dumps(content, indent=2) for file, content in contents.items()}


def _config(config: Blip2Config) -> dict[str, Any]:
    content: dict[str, Any] = config.to_dict() | {
        "architectures": ["Blip2ForConditionalGeneration"],
        "torch_dtype": "float16",
    }
    if content["text_config"]["model_type"] == "t5":
        # What the published file says; transformers 5 makes its own two values of it.
        content["text_config"]["tie_word_embeddings"] = False
        content["text_config"].pop("scale_decoder_outputs", None)
    return content


def _corpus() -> Iterator[str]:
    rng = random.Random(0)
    for _ in range(2000):
        for prompt, text in captions.texts_of(captions.random_item(rng), rng):
            yield f"{prompt} {text}"


def byte_level(size: int, special: Mapping[int, str]) -> Tokenizer:
    """GPT-2's byte-level BPE of `size` tokens, with `special` ones at their ids, and newline, if it has no id
    there, among the learnt.
    """
    learnt = Tokenizer(models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=_WORDS, initial_alphabet=alphabet, show_progress=False)
    learnt.train_from_iterator(_corpus(), trainer)
    by_id = sorted(learnt.get_vocab().items(), key=lambda item: item[1])
    words = [word for word, _ in by_id if word not in special.values()]
    words += _filler(size - len(words) - len(special))
    for number, token in sorted(special.items()):
        words.insert(number, token)
    merges = [tuple(merge) for merge in json.loads(learnt.to_str())["model"]["merges"]]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([token for token in special.values() if token != NEWLINE])
    return tokenizer


def _opt_tokenizer() -> tuple[Tokenizer, dict[str, Any]]:
    """OPT's ids: `<s>` 0, `<pad>` 1, `</s>` 2, newline 50118, `<image>` 50265."""
    special = dict(enumerate(["<s>", "<pad>", "</s>", "<unk>"]))
    tokenizer = byte_level(_OPT_WORDS, special | {_OPT_NEWLINE: NEWLINE})
    tokenizer.add_special_tokens([_image_token()])
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 2)])
    settings = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "add_prefix_space": False}
    settings |= {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>"}
    return tokenizer, settings | {"errors": "replace", "model_max_length": 1_000_000}


def _t5_tokenizer() -> tuple[Tokenizer, dict[str, Any]]:
    """SentencePiece's unigrams, T5's ids: `<pad>` 0, `</s>` 1, a hundred gaps from 32000, `<image>` 32100."""
    special = ["<pad>", "</s>", "<unk>"]
    counts = Counter(word for text in _corpus() for word in re.findall(r"\w+", text))
    pieces = [(piece, 0.0) for piece in special] + [("▁", -12.0)]
    pieces += [(chr(code), -12.0) for code in range(33, 127)]
    pieces += [(f"▁{word}", math.log(count / counts.total())) for word, count in sorted(counts.items())]
    pieces += [(word, -100.0) for word in _filler(_T5_WORDS - len(pieces))]
    gaps = [f"<extra_id_{number}>" for number in reversed(range(100))]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((gap, 0.0) for gap in gaps)], unk_id=2))
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens([*special, *gaps, _image_token()])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "additional_special_tokens": gaps}
    settings |= {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return tokenizer, settings | {"model_max_length": 512}


def _filler(count: int) -> list[str]:
    """Words that no text holds, as OPT's own vocabulary has a few."""
    return [f"madeupword{number:05}" for number in range(count)]


def _image_token() -> AddedToken:
    return AddedToken("<image>", special=True, normalized=False)
