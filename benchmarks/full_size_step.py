"""A training step of blip2-opt-2.7b: a plain transformers + PEFT loop from pixels, against this project's.

    python benchmarks/full_size_step.py --layers 32 --dtype bfloat16     # full depth, a CPU with AMX; 20 GB
    python benchmarks/full_size_step.py                                  # fp32, two layers; about 5 GB
    python benchmarks/full_size_step.py --batches 20 --write             # into docs/results/full_size_step.md
    python benchmarks/full_size_step.py --device cuda --layers 32 --dtype bfloat16

Out: a Markdown table on standard output, a line a batch. `plain` is the loop in `plain_step`, no part of it
ours; `cached` and `shared` are this project's own collate, store and forward, a row a pair and five pairs
behind an image prefix. `encoding` is that of the step's images by this project's image encoder. It is paid
once in 15 uses (five questions, three epochs), and `paid` ratios count that share. `bound` is the ratio that
operations and bytes moved allow for `paid`, at rates measured in the same run. Random weights; ViT and
Q-Former are cut in proportion to --layers. Seconds of this process on a CPU, the fastest of --rounds; ours
take turns, and the plain loop comes after them, since both do not fit into memory.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from peft import LoraConfig, get_peft_model
from published_live import ROOT, Words
from result_pages import RESULTS, report
from torch import Tensor
from transformers import Blip2ForConditionalGeneration

from vqa.features import shards
from vqa.features.store import FeatureStore
from vqa.memory_estimate.meta_device import published_config
from vqa.pairs.pair import Pair
from vqa.settings import load_settings
from vqa.training.batches import CachedPairs, collate
from vqa.vlm import lora
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder
from vqa.vlm.interfaces import AnswerModel

QUESTIONS, EPOCHS = 5, 3  # of an image
_WAYS = ("plain", "cached", "shared")
_IDENTITY: dict[str, str | None] = dict.fromkeys(("name", "fingerprint", "processor", "dtype"), "random")


def random_model(layers: int, device: torch.device, dtype: torch.dtype) -> Blip2ForConditionalGeneration:
    config = published_config("blip2-opt-2.7b")
    share = layers / config.text_config.num_hidden_layers
    for part in (config.vision_config, config.qformer_config, config.text_config):
        part.num_hidden_layers = max(1, round(share * part.num_hidden_layers))
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    with device:
        model = Blip2ForConditionalGeneration(config).eval()
    torch.set_default_dtype(torch.float32)
    return model


def plain_step(base: Any, batch: int, device: torch.device) -> Callable[[], float]:
    """The step of a tutorial: the whole model in PEFT, pixels in, loss out."""
    config = LoraConfig(
        r=16,
        lora_alpha=32,
        lora_dropout=0.05,
        target_modules=r".*language_model.*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
    )
    model = get_peft_model(base, config).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4)
    image_token, words = base.config.image_token_id, Words()
    rows, labels = [], []
    for pair in range(batch):
        prompt = [image_token] * 32 + words(f"question {pair}")["input_ids"]
        answer = [*words(f"answer {pair}", add_special_tokens=False)["input_ids"], 50118]
        rows.append(prompt + answer)
        labels.append([-100] * len(prompt) + answer)
    inputs = {
        "pixel_values": torch.randn(batch, 3, 224, 224, dtype=base.dtype, device=device),
        "input_ids": torch.tensor(rows, device=device),
        "attention_mask": torch.ones(batch, len(rows[0]), dtype=torch.long, device=device),
        "labels": torch.tensor(labels, device=device),
    }

    def step() -> float:
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss)

    return step


class Ours:
    """Collate, store and forward of this project on random images."""

    def __init__(self, base: Any, images: int, folder: Path, device: torch.device) -> None:
        processor: Any = SimpleNamespace(tokenizer=Words(), image_processor=None)
        self.encoder = Blip2ImageEncoder(base, processor, device)
        self.model: AnswerModel = Blip2AnswerModel(base, processor, "{question}", device)
        lora.add_adapter(self.model, load_settings(ROOT / "params.yaml").lora, "random")
        self.model.train()
        self._optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], 1e-4)
        self._rows = base.config.num_query_tokens, base.config.qformer_config.hidden_size
        names = [f"{image}.jpg" for image in range(images)]
        pairs = [Pair(name, f"{name} {i}", f"answer {i}") for name in names for i in range(QUESTIONS)]
        self._dataset = CachedPairs(pairs, self._store(names, folder))

    def encode(self, images: int) -> Tensor:
        with torch.inference_mode():
            return self.encoder.features(torch.randn(images, 3, 224, 224))

    def _store(self, names: list[str], folder: Path) -> FeatureStore:
        """Whose rows are random: encoding is timed apart."""
        recipe = shards.Recipe(_IDENTITY, "qformer", "bfloat16")
        todo = shards.plan(folder / "store", folder / "work", names, recipe, len(names))
        (folder / "work").mkdir()
        for shard in todo.missing:
            shards.write_shard(
                folder / "work", shard, iter(torch.randn(len(shard.images), *self._rows)), recipe
            )
        shards.finish(
            folder / "store", folder / "work", todo, dict(zip(names, names, strict=True)), recipe, {}
        )
        return FeatureStore(folder / "store", _IDENTITY, "qformer")

    def step(self, batch: int, is_shared: bool) -> float:
        rows = collate(self.model, is_shared)([self._dataset[i] for i in range(batch)])
        del rows["numbers"]
        loss = self.model(**rows)["loss"]
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(loss)


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


class Bound:
    """Seconds that operations and bytes moved need, one after the other, at this machine's rates."""

    def __init__(self, base: Any, device: torch.device) -> None:
        self._size = base.dtype.itemsize
        a = torch.randn(1024, 1024, dtype=base.dtype, device=device)
        b = torch.empty(2**26, dtype=torch.uint8, device=device)
        self._flops = 2 * 1024**3 / min(seconds(lambda: a @ a, device) for _ in range(5))
        self._bytes = 2 * b.nbytes / min(seconds(b.clone, device) for _ in range(5))
        self._layers = _count(base.language_model.get_decoder().layers)
        self._head = base.language_model.get_output_embeddings().weight.numel()
        self._sight, self._queries = _count(base.vision_model), _count(base.qformer)

    def of(self, tokens: int, logits: int, encoded: float) -> float:
        """A step with so many tokens, positions of the head and images encoded."""
        learnt = 4 * (self._layers * tokens + self._head * logits)  # forward, and the gradient of its input
        seen = 2 * encoded * (257 * self._sight + 32 * self._queries)
        moved = 2 * (self._layers + self._head) + min(1, encoded) * (self._sight + self._queries)
        return (learnt + seen) / self._flops + self._size * moved / self._bytes


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def of_ours(ours: Ours, batch: int, images: int, rounds: int, device: torch.device) -> dict[str, float]:
    work: dict[str, Callable[[], Any]] = {
        "cached": lambda: ours.step(batch, is_shared=False),
        "shared": lambda: ours.step(batch, is_shared=True),
        "encoding": lambda: ours.encode(images),
    }
    taken = [{name: seconds(once, device) for name, once in work.items()} for _ in range(rounds)]
    return {name: min(of[name] for of in taken) for name in work}


def row_of(batch: int, layers: int, rounds: int, device: torch.device, dtype: torch.dtype) -> list[str]:
    images, text, said = -(-batch // QUESTIONS), 24, 4
    base = random_model(layers, device, dtype)
    bound = Bound(base, device)
    with tempfile.TemporaryDirectory() as folder:
        best = of_ours(Ours(base, images, Path(folder), device), batch, images, rounds, device)
    del base
    plain = plain_step(random_model(layers, device, dtype), batch, device)
    best["plain"] = min(seconds(plain, device) for _ in range(rounds))
    encoding = best["encoding"] / images * batch / (QUESTIONS * EPOCHS)  # the pairs' share of it
    alone, shared = batch * (32 + text), 32 * images + batch * text
    least = bound.of(shared, batch * said, batch / (QUESTIONS * EPOCHS))
    return [
        f"{batch}, {layers} layers, {str(dtype).removeprefix('torch.')}",
        *(f"{best[way]:.2f} s" for way in _WAYS),
        f"{best['encoding']:.2f} s",
        *(f"{best['plain'] / best[way]:.2f} ×" for way in _WAYS[1:]),
        *(f"{best['plain'] / (best[way] + encoding):.2f} ×" for way in _WAYS[1:]),
        f"{bound.of(alone, alone, batch) / least:.2f} ×",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--layers", type=int, default=2, help="of OPT's 32")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 20, 40], help="pairs a step")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="into docs/results/full_size_step.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    device, dtype = torch.device(given.device), getattr(torch, given.dtype)
    titles = ["pairs a step", *_WAYS, "encoding", "cached", "shared", "cached, paid", "shared, paid", "bound"]
    page = RESULTS / "full_size_step.md" if given.write else None
    for batch in given.batches:
        row = row_of(batch, given.layers, given.rounds, device, dtype)
        report(titles, row, device.type, page, "steps")


if __name__ == "__main__":
    main()
