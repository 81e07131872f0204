"""What a shared image prefix is worth to each family, and that it changes nothing: a step, memory, answers.

    python benchmarks/shared_prefix.py                                   # two layers of the published widths
    python benchmarks/shared_prefix.py --models qwen2.5-vl-3b --rounds 5
    python benchmarks/shared_prefix.py --write                           # into docs/results/shared_prefix.md
    python benchmarks/shared_prefix.py --device cuda --layers 99         # whole depth, bf16
    python benchmarks/shared_prefix.py --count --layers 99               # counted without weights, in seconds

Out: Markdown tables on standard output, one a model. Five questions about an image (--images for more),
20 tokens of text in each prompt and 4 in each answer, random weights, features from memory. `a row a pair` is
the code of ea79374, still there for models that cannot share; both ways are of one run, in turns, and the
fastest round counts, on a CPU in seconds of this process. `loss` and `gradient` are the largest differences
between both ways without dropout, of gradients relative to the largest number in any; `kept` is what
autograd keeps for the backward pass of such a step. `answers`: all of 4 tokens. LLaVA needs about 12 GB.
With `--rounds 0` a step is timed once, cold; the shared one goes first, so that it pays what is paid once.

`--count` runs the step of the language model, its adapter and its head on the meta device, where tensors have
shapes and take no memory: operations of matrix products forward and backward, as torch counts them, and what
autograd keeps, in fp32. No clock is asked.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from published_live import ROOT, add_adapter, random_blip2, random_features, random_image_text_model
from result_pages import RESULTS, report
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from vqa.vlm.batching import IGNORED
from vqa.vlm.image_features import Features
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.loading import Pretrained

QUESTIONS, NEW_TOKENS = 5, 4  # questions an image
EMBEDDED = "embedded"
MODELS = ["smolvlm-256m", "qwen2.5-vl-3b", "llava-1.5-7b", "blip2-opt-2.7b", EMBEDDED]
_ASKED = ["What color is the lamp?", "What is it made of?", "How many legs?", "Which shape?", "Who has one?"]
_SAID = ["dark-blue", "wood", "4", "round", "nobody"]
WAYS = ("a row a pair", "shared")


def answer_model(name: str, layers: int, device: torch.device) -> AnswerModel:
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    if name == EMBEDDED:
        pretrained = Pretrained(str(ROOT / "models/blip2-tiny"))
        return pretrained.load_answer_model("Question: {question} Answer:", device, "qformer")
    make: Callable[..., AnswerModel] = random_blip2 if name.startswith("blip2") else random_image_text_model
    return make(name, layers, device, dtype)


class Bench:
    """Both ways of one model, on the same pairs."""

    def __init__(self, model: AnswerModel, images: int) -> None:
        self.model = model
        self._features = random_features(model, images)
        self._of = [image for image in range(images) for _ in range(QUESTIONS)]
        self._asked = [_ASKED[pair % len(_ASKED)] for pair in range(len(self._of))]
        self._said = [_SAID[pair % len(_SAID)] for pair in range(len(self._of))]

    @property
    def _alone(self) -> Features:
        if isinstance(self._features, Tensor):
            return self._features[self._of]
        return [self._features[image] for image in self._of]

    def batch(self, way: str) -> dict[str, Any]:
        if way == "shared":
            texts = self.model.shared_batch(self._asked, self._said, self._of, self._features)
            return texts | {"features": self._features}
        return self.model.training_batch(self._asked, self._said, self._alone) | {"features": self._alone}

    def answer(self, way: str) -> list[str]:
        seen, of = (self._features, self._of) if way == "shared" else (self._alone, None)
        return self.model.texts(self._asked, seen, NEW_TOKENS, min_new_tokens=NEW_TOKENS, images=of)

    def backward(self, batch: Mapping[str, Any]) -> Tensor:
        kind = self.model.device.type
        with torch.autocast(kind, torch.bfloat16, kind == "cuda"):
            loss: Tensor = self.model(**batch)["loss"]
        loss.backward()
        return loss.detach()

    def step(self, batch: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
        self.backward(batch)
        optimizer.step()
        optimizer.zero_grad()

    def once(self, batch: Mapping[str, Any]) -> "Once":
        self.model.zero_grad()
        start = clock(self.model.device)
        with kept(self.model) as storages:
            loss = float(self.backward(batch))
        seconds = clock(self.model.device) - start
        named = {n: p.grad.clone() for n, p in self.model.named_parameters() if p.grad is not None}
        self.model.zero_grad()
        return Once(loss, named, sum(storages.values()) / 1e6, seconds)


@dataclass(frozen=True)
class Once:
    """A step's loss, its gradients by name, MB kept for the backward pass, and seconds."""

    loss: float
    gradients: dict[str, Tensor]
    megabytes: float
    seconds: float


def clock(device: torch.device) -> float:
    """On a CPU the time of this process."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


class kept:  # noqa: N801 – a context, read like a function
    """In the block: bytes by storage of what autograd keeps, the weights left out."""

    def __init__(self, model: AnswerModel, squares_of: int = 0) -> None:
        """`squares_of`: without attention's squares of so many tokens, which fused kernels do not keep."""
        self._squares = (squares_of, squares_of)
        self._weights = {p.untyped_storage()._cdata for p in model.parameters()}
        self._storages: dict[int, int] = {}
        self._alive: list[Tensor] = []  # else an address is given to the next one
        self._hooks = saved_tensors_hooks(self._keep, lambda tensor: tensor)

    def _keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._weights and tensor.shape[-2:] != self._squares:
            self._storages[storage._cdata] = storage.nbytes()
            self._alive.append(tensor)
        return tensor

    def __enter__(self) -> dict[int, int]:
        self._hooks.__enter__()
        return self._storages

    def __exit__(self, *raised: Any) -> None:
        self._hooks.__exit__(*raised)
        self._alive.clear()


def seconds_of(
    work: Callable[[str], Any], rounds: int, device: torch.device
) -> tuple[dict[str, float], dict[str, Any]]:
    """The fastest round of each way, in turns, and what it made."""
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    made: dict[str, Any] = {}
    for _ in range(rounds):
        for way in WAYS:
            start = clock(device)
            made[way] = work(way)
            taken[way].append(clock(device) - start)
    return {way: min(seconds) for way, seconds in taken.items()}, made


def row_of(name: str, layers: int, images: int, rounds: int, device: torch.device) -> list[str]:
    model = answer_model(name, layers, device).eval().requires_grad_(False)
    bench = Bench(model, images)
    answering, said = seconds_of(bench.answer, rounds + 1, device)
    add_adapter(model, name)
    batches = {way: bench.batch(way) for way in WAYS}
    model.eval()  # dropout would draw anew
    shared, alone = (bench.once(batches[way]) for way in reversed(WAYS))
    largest = max(float(g.abs().max()) for g in alone.gradients.values())
    gradient = max(float((shared.gradients[n] - g).abs().max()) for n, g in alone.gradients.items()) / largest
    learning = {WAYS[0]: alone.seconds, WAYS[1]: shared.seconds}
    if rounds:
        model.train()
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-6)
        learning, _ = seconds_of(lambda way: bench.step(batches[way], optimizer), rounds, device)
    tokens = {way: batches[way]["input_ids"].numel() for way in WAYS}
    return [
        _size(name, layers, images),
        f"{tokens[WAYS[0]]:,} → {tokens[WAYS[1]]:,}",
        f"{tokens[WAYS[0]] / tokens[WAYS[1]]:.2f} ×",
        *(f"{learning[way]:.3g} s" for way in WAYS),
        f"{learning[WAYS[0]] / learning[WAYS[1]]:.2f} ×",
        f"{alone.megabytes:,.0f} → {shared.megabytes:,.0f} MB",
        f"{abs(alone.loss - shared.loss):.1g}",
        f"{gradient:.1g}",
        *(f"{answering[way]:.3g} s" for way in WAYS),
        f"{answering[WAYS[0]] / answering[WAYS[1]]:.2f} ×",
        "yes" if said[WAYS[0]] == said[WAYS[1]] else "no",
    ]


def _size(name: str, layers: int, images: int) -> str:
    pairs = f"{images * QUESTIONS} pairs"
    return f"whole, {pairs}" if name == EMBEDDED else f"{layers} layers, {pairs}"


def counted_row(name: str, layers: int, images: int) -> list[str]:
    """Tokens, operations and what is kept of a step, both ways."""
    meta = torch.device("meta")
    model = answer_model(name, layers, meta)
    bench = Bench(model, images)
    batches = {way: bench.batch(way) for way in WAYS}
    add_adapter(model, name)
    model.train()
    counted = {way: counted_step(model, batch) for way, batch in batches.items()}
    tokens = {way: batch["input_ids"].numel() for way, batch in batches.items()}
    (work, held), (less, kept_less) = (counted[way] for way in WAYS)
    return [
        _size(name, model.language_model.config.num_hidden_layers, images),
        f"{tokens[WAYS[0]]:,} → {tokens[WAYS[1]]:,}",
        f"{tokens[WAYS[0]] / tokens[WAYS[1]]:.2f} ×",
        f"{work / 1e12:.3g} → {less / 1e12:.3g} TFLOP",
        f"{work / less:.2f} ×",
        f"{held / 1e9:.3g} → {kept_less / 1e9:.3g} GB",
        f"{held / kept_less:.2f} ×",
    ]


def counted_step(model: AnswerModel, batch: Mapping[str, Any]) -> tuple[int, int]:
    """Operations, and bytes kept for the backward pass; the head is asked where there are labels."""
    inner = model.language_model.get_base_model()
    head = model._speaker.get_output_embeddings()
    if inner.can_generate():
        inner = inner.get_decoder()
    rows, tokens = batch["input_ids"].shape
    width = inner.get_input_embeddings().weight.shape[1]
    positions = batch.get("position_ids", torch.arange(tokens).expand(rows, tokens))
    given = {
        "inputs_embeds": torch.empty(rows, tokens, width, device="meta"),
        "position_ids": positions.to("meta"),
        "attention_mask": torch.empty(rows, 1, tokens, tokens, device="meta"),
    }
    asked = int((batch["labels"] != IGNORED).sum())
    with FlopCounterMode(display=False) as operations:
        with kept(model, squares_of=tokens) as storages:
            states = inner(use_cache=False, **given).last_hidden_state
            loss = head(states.flatten(0, 1)[:asked]).sum()
            held = sum(storages.values())
        loss.backward()
    return operations.get_total_flops(), held


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--layers", type=int, default=2, help="of the language model, at most")
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="0: the step that compares is timed, cold")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="into docs/results/shared_prefix.md")
    parser.add_argument("--count", action="store_true", help="operations and memory, without weights")
    given = parser.parse_args()
    page = RESULTS / "shared_prefix.md" if given.write else None
    if given.count:
        titles = ["a step", "tokens", "fewer", "operations", "fewer", "kept", "less"]
        for name in (m for m in given.models if m != EMBEDDED):
            row = counted_row(name, given.layers, given.images)
            report(titles, row, "cpu", page, f"{name} counted")
        return
    torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    titles = ["a step of", "tokens", "fewer", "a row a pair", "shared", "faster", "kept", "loss", "gradient"]
    titles += ["answers", "shared", "faster", "same"]
    for name in given.models:
        row = row_of(name, given.layers, given.images, given.rounds, device)
        report(titles, row, device.type, page, name)


if __name__ == "__main__":
    main()
