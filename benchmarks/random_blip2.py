"""A random-weight copy of a published BLIP-2, laid out as the hub's cache holds the real one.

Widths, vocabulary size and special-token ids are the published ones, so that memory, speed and every token id
are; words are tokenized by a vocabulary learnt from the drawn catalogue and filled up. Weights are written a
shard at a time.
"""

import hashlib
import json
import math
import random
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from tqdm import tqdm
from transformers import Blip2Config

from vqa.foundation.errors import InputError
from vqa.pretraining import captions
from vqa.sizing.published import on_meta

SHARD_BYTES = 1_000_000_000
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
    """The snapshot folder of `Salesforce/<name>` in the cache `hub` ($HF_HOME/hub), found or written.

    Raises:
        InputError: the disk has no room for it.
    """
    repository = hub / f"models--Salesforce--{name}"
    files = _small_files(config)
    commit = hashlib.sha1("".join(files.values()).encode()).hexdigest()
    snapshot, newest = repository / "snapshots" / commit, repository / "refs/main"
    if newest.is_file() and newest.read_text() == commit:
        return snapshot
    shutil.rmtree(repository, ignore_errors=True)
    for folder in (snapshot, repository / "blobs", newest.parent):
        folder.mkdir(parents=True)
    _check_room(repository, config)
    writing = repository / "blobs/writing"
    for file, text in files.items():
        data = text.encode()
        writing.write_bytes(data)
        _enter(writing, snapshot / file, hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest())
    for file, tensors in _shards(config, shard_bytes, snapshot):
        save_file(tensors, writing, metadata={"format": "pt"})
        with writing.open("rb") as data_file:
            _enter(writing, snapshot / file, hashlib.file_digest(data_file, "sha256").hexdigest())
    newest.write_text(commit)  # last: without it the copy was cut short
    return snapshot


def _enter(blob: Path, link: Path, digest: str) -> None:
    """The cache keeps files by their hash and links to them by name."""
    blob.rename(blob.with_name(digest))
    link.symlink_to(f"../../blobs/{digest}")


def _check_room(folder: Path, config: Blip2Config) -> None:
    needed = 2 * sum(parameter.numel() for parameter in on_meta(config).parameters())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder} has {free / 1e9:.1f} GB left and the weights take {needed / 1e9:.1f} GB; "
            "give another --folder, or fewer --layers"
        )


def _shards(config: Blip2Config, shard_bytes: int, snapshot: Path) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """File name and fp16 tensors of each shard; the index is written with the last."""
    generator = torch.Generator().manual_seed(0)
    parameters = dict(on_meta(config).named_parameters())
    plan = split_state_dict_into_shards_factory(
        parameters,
        get_storage_size=lambda tensor: 2 * tensor.numel(),
        get_storage_id=lambda tensor: None,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=shard_bytes,
    )
    total = sum(2 * parameter.numel() for parameter in parameters.values())
    with tqdm(total=total, unit="B", unit_scale=True, desc="weights", mininterval=1) as progress:
        for file, names in plan.filename_to_tensors.items():
            tensors = {name: _random(name, parameters[name], generator) for name in names}
            yield file, tensors
            progress.update(sum(tensor.nbytes for tensor in tensors.values()))
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        (snapshot / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def _random(name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    """As the published classes begin: norms let through, biases are nothing, all else is near 0."""
    if parameter.ndim == 1 and name.endswith("bias"):
        return torch.zeros(parameter.shape, dtype=torch.float16)
    if parameter.ndim == 1:
        return torch.ones(parameter.shape, dtype=torch.float16)
    # From about 0 all queries would look at the same.
    std = 0.5 if name == "query_tokens" else 0.02
    return torch.empty(parameter.shape, dtype=torch.float16).normal_(0, std, generator=generator)


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


def _opt_tokenizer() -> tuple[Tokenizer, dict[str, Any]]:
    """GPT-2's byte-level BPE with OPT's ids: `<s>` 0, `<pad>` 1, `</s>` 2, newline 50118, `<image>` 50265."""
    learnt = Tokenizer(models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=_WORDS, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    learnt.train_from_iterator(_corpus(), trainer)
    newline = "Ċ"
    words = [word for word, _ in sorted(learnt.get_vocab().items(), key=lambda item: item[1])]
    words.remove(newline)
    words += _filler(_OPT_WORDS - 1 - len(words))
    words.insert(_OPT_NEWLINE, newline)
    merges = [tuple(merge) for merge in json.loads(learnt.to_str())["model"]["merges"]]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([*special, _image_token()])
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
