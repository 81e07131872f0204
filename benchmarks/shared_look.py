"""What one look for many questions is worth, against a row a pair: a step, an epoch, memory, answers.

    python benchmarks/shared_look.py                                         # the embedded model
    python benchmarks/shared_look.py --config blip2-opt-2.7b --layers 2      # true widths, random weights
    python benchmarks/shared_look.py --config blip2-opt-2.7b --device cuda   # full depth, bf16; about 10 GB

Every ratio is of one run, both ways taking turns, and the fastest of several rounds counts; on a CPU in
seconds of this process, so that other work on the machine takes little part. `tokens` is what the number of
tokens allows; `everywhere` is a row a pair with logits at every position, as transformers makes them. Needs
torch, transformers and peft.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from transformers import AutoTokenizer, Blip2Config, Blip2ForConditionalGeneration

from vqa.pairs.pair import Pair
from vqa.sizing.published import PUBLISHED, published_config
from vqa.training.batches import CachedPairs, collate, like_pictures
from vqa.vlm.blip2 import AnswerModel
from vqa.vlm.generation import distinct
from vqa.vlm.lora_targets import module_names
from vqa.vlm.token_rows import IGNORED

QUESTIONS = 5  # a picture
AT_ONCE = 80  # questions answered
STEPS = [(4, 4), (8, 4), (20, 5), (40, 5)]  # pairs, and of a picture together
EMBEDDED = ROOT / "models/blip2-tiny"
_ASKED = ["What color is the lamp?", "What is it made of?", "How many legs are there?", "Which shape is it?"]
_SAID = ["dark-blue", "wood", "4", "round"]


class Words:
    """A tokenizer of random ids, 20 a prompt and 3 an answer: with its end a pair has 24 tokens of text."""

    pad_token_id = 1

    def __call__(self, text: str, add_special_tokens: bool = True, **_: Any) -> dict[str, list[int]]:
        ids = random.Random(text)
        return {"input_ids": [ids.randrange(5, 50000) for _ in range(20 if add_special_tokens else 3)]}

    def batch_decode(self, sequences: Tensor, **_: Any) -> list[str]:
        return [str(row.tolist()) for row in sequences]


def live_half(name: str | None, layers: int | None, device: torch.device) -> AnswerModel:
    """The embedded model, or a published one with random weights, with an adapter in all its layers."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    if name is None:
        base = Blip2ForConditionalGeneration.from_pretrained(EMBEDDED, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    else:
        base, tokenizer = _random(published_config(name, layers), device, dtype), Words()
    prompt = "Question: {question} Answer in one word:"
    processor: Any = SimpleNamespace(tokenizer=tokenizer, image_processor=None)
    model = AnswerModel(base, processor, prompt, device)
    model.requires_grad_(False)
    names = module_names(model.language_model, ["attention", "mlp"])
    config = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=names, task_type="CAUSAL_LM")
    model.language_model = get_peft_model(model.language_model, config)
    return model


def _random(config: Blip2Config, device: torch.device, dtype: torch.dtype) -> Blip2ForConditionalGeneration:
    """Without its ViT, which plays no part here."""
    config.vision_config.num_hidden_layers = config.qformer_config.num_hidden_layers = 1
    torch.set_default_dtype(dtype)
    with device:
        base = Blip2ForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    return base


class Drawn:
    """Random features of pictures by name."""

    def __init__(self, model: AnswerModel, names: Sequence[str]) -> None:
        torch.manual_seed(0)
        self._rows = {name: torch.randn(model.num_query_tokens, model.feature_size) for name in names}

    def rows(self, image_names: Sequence[str]) -> Tensor:
        return torch.stack([self._rows[name] for name in image_names])


def pairs_of(pictures: int) -> list[Pair]:
    rng = random.Random(0)
    names = [f"{picture}.jpg" for picture in range(pictures) for _ in range(QUESTIONS)]
    return [Pair(name, rng.choice(_ASKED), rng.choice(_SAID)) for name in names]


class Bench:
    """Steps, epochs and answers of one model, both ways."""

    def __init__(self, model: AnswerModel, pictures: int) -> None:
        self.model = model
        self.device = model.device
        self.pairs = pairs_of(pictures)
        self.features = Drawn(model, [pair.image_name for pair in self.pairs])
        self._dataset = CachedPairs(self.pairs, self.features)
        self._optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4)

    def batches(self, size: int, together: int, is_shared: bool) -> list[dict[str, Tensor]]:
        """Of one epoch; both ways hold the same pairs."""
        names = [pair.image_name for pair in self.pairs]
        order = like_pictures(names, together, size, torch.Generator().manual_seed(0))
        batch = collate(self.model, is_shared)
        starts = range(0, len(order) - size + 1, size)
        return [batch([self._dataset[i] for i in order[start : start + size]]) for start in starts]

    def step(self, batch: dict[str, Tensor], is_everywhere: bool = False) -> None:
        given = {name: value for name, value in batch.items() if name != "numbers"}
        with torch.autocast(self.model.device.type, torch.bfloat16, self.model.device.type == "cuda"):
            loss = self._everywhere(**given) if is_everywhere else self.model(**given)["loss"]
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()

    def _everywhere(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, features: Tensor
    ) -> Tensor:
        device = self.model.device
        embeds = self.model.splice(input_ids.to(device), features.to(device))
        mask = attention_mask.to(device)
        logits = self.model.language_model(inputs_embeds=embeds, attention_mask=mask).logits[:, :-1]
        wanted = labels[:, 1:].to(device).flatten()
        return functional.cross_entropy(logits.flatten(0, 1).float(), wanted, ignore_index=IGNORED)

    def epoch(self, size: int, together: int, is_shared: bool) -> None:
        """Collation included."""
        for batch in self.batches(size, together, is_shared):
            self.step(batch)

    def answer(self, tokens: int, is_shared: bool) -> None:
        for start in range(0, len(self.pairs), AT_ONCE):
            batch = self.pairs[start : start + AT_ONCE]
            names = [pair.image_name for pair in batch]
            seen, pictures = distinct(names) if is_shared else (names, list(range(len(names))))
            rows, questions = self.features.rows(seen), [pair.question for pair in batch]
            self.model.texts(questions, rows, tokens, min_new_tokens=tokens, pictures=pictures)


def seconds_of(ways: Mapping[str, Callable[[], Any]], rounds: int, device: torch.device) -> dict[str, float]:
    """The fastest round of each after one that warms up; they take turns."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way, work in ways.items():
            start = clock()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[way].append(clock() - start)
    return {way: min(of[1:]) for way, of in seconds.items()}


def megabytes(work: Callable[[], Any], model: AnswerModel) -> float:
    """What a step needs beyond what is held before it; on a CPU what autograd keeps for the backward pass."""
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    held = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in held:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # else its address is given to the next one
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        work()
    return sum(kept.values()) / 1e6


def print_steps(bench: Bench, rounds: int) -> None:
    """A step's mean over as many as the largest one's pairs make; memory of the one that shares most."""
    print("| pairs a step | of a picture | `tokens` | ms everywhere | row a pair | shared | ratio ", end="")
    print("| of `tokens` | everywhere : shared | MB everywhere | row a pair | shared |")
    print("|---" * 12 + "|")
    steps = [(size, together) for size, together in STEPS if size <= len(bench.pairs)]
    for size, together in steps:
        count = steps[-1][0] // size
        alone, shared = (bench.batches(size, together, is_shared)[:count] for is_shared in (False, True))
        ways: dict[str, tuple[Callable[[dict[str, Tensor]], None], list[dict[str, Tensor]]]] = {
            "everywhere": (partial(bench.step, is_everywhere=True), alone),
            "alone": (bench.step, alone),
            "shared": (bench.step, shared),
        }
        taken = seconds_of({way: partial(_each, *work) for way, work in ways.items()}, rounds, bench.device)
        most = min(range(count), key=lambda step: shared[step]["input_ids"].numel())
        memory = [megabytes(partial(step, of[most]), bench.model) for step, of in ways.values()]
        tokens, fewer = (sum(batch["input_ids"].numel() for batch in batches) for batches in (alone, shared))
        ratio, allowed = taken["alone"] / taken["shared"], tokens / fewer
        cells = [
            str(size),
            str(together),
            f"{allowed:.2f} ×",
            *(f"{1e3 * taken[w] / count:.1f}" for w in ways),
        ]
        cells += [
            f"{ratio:.2f} ×",
            f"{ratio / allowed:.0%}",
            f"{taken['everywhere'] / taken['shared']:.2f} ×",
        ]
        print(f"| {' | '.join([*cells, *(f'{mb:.0f}' for mb in memory)])} |", flush=True)


def _each(step: Callable[[dict[str, Tensor]], None], batches: list[dict[str, Tensor]]) -> None:
    for batch in batches:
        step(batch)


def print_epoch(bench: Bench, rounds: int) -> None:
    size, together = STEPS[2]
    ways = {way: partial(bench.epoch, size, together, way == "shared") for way in ("alone", "shared")}
    taken = seconds_of(ways, rounds, bench.device)
    print(f"\nepoch of {len(bench.pairs)} pairs, {size} a step, {together} together, batches made in it:")
    _print_both(taken, {way: f"{seconds:.2f} s" for way, seconds in taken.items()})


def print_answers(bench: Bench, new_tokens: int, rounds: int) -> None:
    ways = {way: partial(bench.answer, new_tokens, way == "shared") for way in ("alone", "shared")}
    taken = seconds_of(ways, rounds, bench.device)
    print(f"\nanswers of {new_tokens} tokens, {AT_ONCE} questions at once:")
    _print_both(taken, {way: f"{len(bench.pairs) / seconds:.1f}/s" for way, seconds in taken.items()})


def _print_both(taken: Mapping[str, float], said: Mapping[str, str]) -> None:
    ratio = taken["alone"] / taken["shared"]
    print(f"{said['alone']} a row a pair, {said['shared']} shared: {ratio:.2f} ×", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--config", choices=[name for name in PUBLISHED if "opt" in name])
    parser.add_argument("--layers", type=int, help="of the language model, at most")
    parser.add_argument("--pictures", type=int, default=64, help=f"of an epoch, {QUESTIONS} pairs each")
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    device = torch.device(given.device)
    if device.type == "cpu" and not given.config:
        torch.set_num_threads(1)  # as the stages do for a model this small
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    model = live_half(given.config, given.layers, device)
    depth = model.language_model.config.num_hidden_layers
    print(f"{given.config or 'embedded'}, {depth} layers, {named}, torch {torch.__version__}\n")
    bench = Bench(model.train(), given.pictures)
    print_steps(bench, given.rounds)
    print_epoch(bench, max(1, given.rounds // 3))
    model.eval()
    print_answers(bench, 4 if given.config else 10, max(1, given.rounds // 3))


if __name__ == "__main__":
    main()
