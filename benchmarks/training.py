"""What caching is worth: cached against on-the-fly training, against what a cost model allows.

    python benchmarks/training.py                                    # the embedded model, this CPU
    python benchmarks/training.py --params configs/presets/photos.yaml    # its data.root, its model
    python benchmarks/training.py --device cuda --config blip2-opt-2.7b --random-weights

Every figure comes from one run, both ways on the same batches, images decoded from JPEG in both. With
--config a published BLIP-2 is built with random weights (speed does not depend on them): images cached,
pairs trained and answered a second, peak memory, share of this device's matrix-product ceiling.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import Blip2ForConditionalGeneration

from vqa.catalogue.images import load_image
from vqa.catalogue.manifest import read_tree
from vqa.features import shards
from vqa.features.encoding import Pixels
from vqa.features.shards import Recipe
from vqa.features.store import FeatureStore
from vqa.memory_estimate.meta_device import BLIP2, on_meta, published_config
from vqa.memory_estimate.model import TEXT_TOKENS
from vqa.settings import load_settings
from vqa.synthetic.catalogue import draw_items, write_catalogue
from vqa.vlm import lora
from vqa.vlm.blip2 import Blip2AnswerModel, Blip2ImageEncoder
from vqa.vlm.loading import Pretrained

IMAGES, QUESTIONS, EPOCHS = 120, 5, 3
ROUNDS = 3  # the fastest counts: other work on the machine only ever adds time


def fastest(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Seconds of the fastest round, after one that warms up."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


class Bench:
    """The embedded model with an adapter, its images, and batches of pairs about them."""

    def __init__(self, folder: Path, params: Path | None) -> None:
        self.settings = load_settings(ROOT / "params.yaml", *([params] if params else []))
        root = read_tree(self.settings.data.root) if params else folder / "catalogue"
        if not params:
            write_catalogue(root, draw_items(IMAGES, seed=0), seed=0)
        self.paths = sorted((root / "images/small").glob("*/*"))[:IMAGES]
        self.batch = self.settings.train.batch_size
        self.pretrained = Pretrained(str(ROOT / self.settings.model.name))
        cpu = torch.device("cpu")
        self.base, processor = self.pretrained.load(cpu), self.pretrained.load_processor()
        self.encoder = Blip2ImageEncoder(self.base, processor, cpu)
        self.model = Blip2AnswerModel(self.base, processor, self.settings.model.prompt, cpu).train()
        lora.add_adapter(self.model, self.settings.lora, "bench")
        self.optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], 1e-4)
        self.store, self.work = folder / "features", folder / "work"

    def batches(self) -> list[tuple[list[Path], dict[str, Tensor]]]:
        """One epoch: images and texts of a batch each, in an order where neighbours differ."""
        pairs = [path for _ in range(QUESTIONS) for path in self.paths]
        starts = range(0, len(pairs) - self.batch + 1, self.batch)
        texts = self.model.training_batch(
            ["What color is the lamp?"] * self.batch, ["dark-blue"] * self.batch
        )
        return [(pairs[start : start + self.batch], texts) for start in starts]

    def cache(self, workers: int = 0) -> None:
        """What the cache_features stage does: decode, encode, write; nothing is there before."""
        clear(self.store)
        recipe = Recipe(self.pretrained.identity(torch.device("cpu")), "qformer", "float32")
        names = [path.name for path in self.paths]
        todo = shards.plan(self.store, self.work, names, recipe, IMAGES)
        loader = DataLoader(Pixels(self.paths, self.encoder.reader), 32, num_workers=workers)
        with torch.inference_mode():
            rows = [row for pixels in loader for row in self.encoder.features(pixels)]
        by_name = dict(zip(names, rows, strict=True))
        for shard in todo.missing:
            shards.write_shard(self.work, shard, [by_name[name] for name in shard.images], recipe)
        shards.finish(self.store, self.work, todo, {name: name for name in names}, recipe, {})

    def step(self, texts: dict[str, Tensor], seen: Tensor) -> None:
        self.model(**texts, features=seen)["loss"].backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def look(self, paths: Sequence[Path]) -> Tensor:
        """Decode and encode, as training on the fly must for every pair."""
        with torch.no_grad():
            return self.encoder.features(self.encoder.pixels([load_image(path) for path in paths]))

    def epoch_on_the_fly(self) -> None:
        for paths, texts in self.batches():
            self.step(texts, self.look(paths))

    def epoch_cached(self) -> None:
        store = FeatureStore(self.store, self.pretrained.identity(torch.device("cpu")), "qformer")
        for paths, texts in self.batches():
            self.step(texts, store.rows([path.name for path in paths]))


def on_the_cpu(params: Path | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), params)
        base = bench.base
        (paths, texts), pairs = bench.batches()[0], IMAGES * QUESTIONS
        images = [load_image(path) for path in paths]
        pixels = bench.encoder.pixels(images)
        seen = bench.look(paths)

        def encode() -> Tensor:
            with torch.no_grad():
                return bench.encoder.features(pixels)

        decode = fastest(lambda: [bench.encoder.pixels([load_image(p)]) for p in paths], 20) / bench.batch
        encoder = fastest(encode, 20) / bench.batch
        language = fastest(lambda: bench.step(texts, seen), 20) / bench.batch
        ms = [f"{1e3 * seconds:.2f}" for seconds in (decode, encoder, language)]
        print(f"alone, ms a pair: decode {ms[0]}, encode {ms[1]}, language step {ms[2]}")
        allowed = EPOCHS * QUESTIONS * (decode + encoder + language)
        allowed /= decode + encoder + EPOCHS * QUESTIONS * language

        for workers in (0, 1, 2):
            seconds = fastest(partial(bench.cache, workers), 1)
            print(f"cache_features with {workers} workers: {IMAGES / seconds:.0f} images/s")
        fresh = fastest(bench.cache, 1)
        cached, on_the_fly = fastest(bench.epoch_cached), fastest(bench.epoch_on_the_fly)
        ratio = EPOCHS * on_the_fly / (fresh + EPOCHS * cached)
        print(f"epoch of {pairs} pairs: on the fly {on_the_fly:.2f} s, cached {cached:.2f} s")
        print(f"an epoch: {on_the_fly / cached:.2f} ×; {EPOCHS} epochs and caching: {ratio:.2f} ×")
        print(f"the cost model allows {allowed:.2f} ×; reached {ratio / allowed:.0%}")
        frozen = 4 * (_weights(base.vision_model) + _weights(base.qformer)) / 1e6
        live = 4 * _weights(bench.model) / 1e6
        print(f"weights in memory while training: {live:.1f} MB cached, {live + frozen:.1f} MB on the fly")
        print_real_bounds()


def clear(folder: Path) -> None:
    for path in folder.glob("*"):
        path.unlink()


def print_real_bounds() -> None:
    """What the operations of the published models allow, decoding free.

    A frozen layer costs 2 operations a weight and token forward, and 2 more backward for its input. Behind
    a shared image prefix, image tokens count once for the pairs of an image in a step.
    """
    print("\n| model | encoder, GFLOP an image | language step, GFLOP a pair | 5 together ", end="")
    print("| 5 questions, 3 epochs: cached | 4 together | 5 together |")
    print("|---|---|---|---|---|---|---|")
    for name in BLIP2:
        model = on_meta(published_config(name))
        patches = (224 // 14) ** 2 + 1
        encode = 2 * _weights(model.vision_model) * patches + 2 * _weights(model.qformer) * 32
        a_token = 4 * _weights(model.language_model)
        learn = {together: a_token * (32 / together + TEXT_TOKENS) for together in (1, 4, 5)}
        turns = EPOCHS * QUESTIONS
        bounds = [f"{turns * (encode + learn[1]) / (encode + turns * of):.2f} ×" for of in learn.values()]
        is_t5 = model.config.text_config.model_type == "t5"
        shared = ["–"] * 3 if is_t5 else [f"{learn[5] / 1e9:.0f}", *bounds[1:]]
        cells = [f"{encode / 1e9:.0f}", f"{learn[1] / 1e9:.0f}", shared[0], bounds[0], *shared[1:]]
        print(f"| {name} | {' | '.join(cells)} |")


def _weights(module: Any) -> int:
    """But for look-up tables and the head, which sees few tokens."""
    tables = ("embed", "shared", "lm_head")
    return sum(p.numel() for n, p in module.named_parameters() if not any(word in n for word in tables))


def with_random_weights(name: str, device: torch.device, batches: Sequence[int]) -> None:
    """Speeds of a published configuration (or `tiny`), random weights in bf16 (fp32 on a CPU)."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    tiny = Pretrained(str(ROOT / "models/blip2-tiny"))
    config = tiny.load(device).config if name == "tiny" else published_config(name)
    with torch.device(device):
        torch.set_default_dtype(dtype)
        base = Blip2ForConditionalGeneration(config).eval()
        torch.set_default_dtype(torch.float32)
    base.qformer.float()
    base.query_tokens.data = base.query_tokens.data.float()
    side = config.vision_config.image_size
    processor: Any = SimpleNamespace(tokenizer=SimpleNamespace(pad_token_id=1), image_processor=None)
    encoder = Blip2ImageEncoder(base, processor, device)
    ceiling = _matmul_ceiling(device, dtype)
    print(
        f"{_named(device)}, torch {torch.__version__}, {dtype}, matrix product {ceiling / 1e12:.1f} TFLOP/s"
    )
    head = "| batch | images/s | trained pairs/s | share of ceiling | answers/s merged | unmerged | peak GB |"
    print(head, "|---|---|---|---|---|---|---|", sep="\n")
    settings = load_settings(ROOT / "params.yaml").lora
    for batch in batches:
        _reset_peak(device)
        images = _rate(device, batch, lambda b=batch: _look(encoder, b, side))  # type: ignore[misc]
        model = Blip2AnswerModel(base, processor, "{question}", device)
        weights = _weights(model.language_model)
        ids, seen = _prompt(model, batch, device)
        lora.add_adapter(model, settings, name)
        unmerged = _rate(device, batch, lambda: _answer(model, ids, seen))  # noqa: B023
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4)
        trained = _rate(device, batch, lambda: _learn(model, optimizer, ids, seen))  # noqa: B023
        work = 4 * weights * ids.shape[1] * trained
        base.language_model = model.language_model = model.language_model.merge_and_unload()
        merged = _rate(device, batch, lambda: _answer(model, ids, seen))  # noqa: B023
        peak = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else float("nan")
        print(
            f"| {batch} | {images:.1f} | {trained:.1f} | {work / ceiling:.0%} | {merged:.1f} "
            f"| {unmerged:.1f} | {peak:.1f} |"
        )


def _prompt(model: Blip2AnswerModel, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    text = torch.full((batch, TEXT_TOKENS), 5, device=device)
    image = torch.full((batch, model.num_query_tokens), model.tokens.image_token_id, device=device)
    return torch.cat([image, text], 1), torch.randn(
        batch, model.num_query_tokens, model.feature_size, device=device
    )


@torch.inference_mode()
def _look(encoder: Blip2ImageEncoder, batch: int, side: int) -> Tensor:
    return encoder.features(torch.zeros(batch, 3, side, side))


@torch.inference_mode()
def _answer(model: Blip2AnswerModel, ids: Tensor, seen: Tensor) -> Tensor:
    embeds = model.splice(ids, seen)
    mask = torch.ones_like(ids)
    found: Tensor = model.language_model.generate(
        inputs_embeds=embeds, attention_mask=mask, max_new_tokens=4, min_new_tokens=4, do_sample=False
    )
    return found


def _learn(model: Blip2AnswerModel, optimizer: Any, ids: Tensor, seen: Tensor) -> None:
    labels = torch.full_like(ids, -100)
    labels[:, -3:] = 5
    model(ids, torch.ones_like(ids), labels, seen)["loss"].backward()
    optimizer.step()
    optimizer.zero_grad()


def _rate(device: torch.device, batch: int, work: Callable[[], Any]) -> float:
    """Of `batch` things a second: the fastest of several rounds, device work waited for."""

    def waited() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return batch / fastest(waited, 5)


def _matmul_ceiling(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the largest matrix product that is quick to time."""
    side = 8192 if device.type == "cuda" else 1024
    a = torch.randn(side, side, device=device, dtype=dtype)
    return 2 * side**3 * _rate(device, 1, lambda: a @ a)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _named(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--config", choices=[*BLIP2, "tiny"])
    parser.add_argument("--random-weights", action="store_true", help="the only way that --config can run")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument(
        "--params", type=Path, help="changes of params.yaml; its images, model and adapter are used"
    )
    arguments = parser.parse_args()
    if arguments.config:
        with_random_weights(arguments.config, torch.device(arguments.device), arguments.batches)
    else:
        on_the_cpu(arguments.params)


if __name__ == "__main__":
    main()
