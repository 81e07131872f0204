"""How fast a model turns pictures and questions into answers: base, adapter merged, adapter beside."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqa import lora
from vqa.abo import image_path
from vqa.blip2 import AnswerModel, ImageEncoder, Level
from vqa.checkpoint import Checkpoint
from vqa.devices import default_device
from vqa.images import load_image
from vqa.pairs import Pair
from vqa.predictions import Decoding

_ROUNDS = 5  # after one that warms up; the fastest counts, since other work only ever adds time


def speeds_of(
    pairs: Sequence[Pair],
    root: Path,
    checkpoint: Checkpoint,
    prompt: str,
    level: Level,
    adapter: Path,
    decoding: Decoding,
) -> dict[str, Any]:
    """`baseline`, `lora` (merged) and `unmerged`, end to end and from cached features, and their ratios.

    Every answer has all of `decoding.max_new_tokens`, so that the models do equal work, and the merged
    model takes turns with the one it is compared with, so that neither has the quieter moments.
    """
    device = default_device()
    base, processor = checkpoint.load(device), checkpoint.load_processor()
    encoder = ImageEncoder(base, processor, device, level)
    plain = AnswerModel(base, processor, prompt, device, level).eval()
    merged = checkpoint.load_answer_model(prompt, device, level)
    lora.merge(merged, adapter, is_merged=checkpoint.quantization == "none")
    work = _Work(pairs, root, encoder, decoding)
    baseline, ours = work.speeds(plain, merged)
    lora.merge(plain, adapter, is_merged=False)
    beside, again = work.speeds(plain, merged)
    return {
        "baseline": baseline,
        "lora": ours,
        "unmerged": beside,
        "ratio": round(ours["pairs_per_second"] / baseline["pairs_per_second"], 3),
        "unmerged_to_merged": round(beside["pairs_per_second"] / again["pairs_per_second"], 3),
    }


def pairs_of_first_images(pairs: Sequence[Pair], count: int) -> list[Pair]:
    names = set(sorted({pair.image_name for pair in pairs})[:count])
    return [pair for pair in pairs if pair.image_name in names]


class _Work:
    """Pictures and questions to be answered, timed."""

    def __init__(self, pairs: Sequence[Pair], root: Path, encoder: ImageEncoder, decoding: Decoding) -> None:
        self._pairs, self._root, self._encoder, self._decoding = pairs, root, encoder, decoding
        self._names = sorted({pair.image_name for pair in pairs})

    def speeds(self, *models: AnswerModel) -> list[dict[str, float]]:
        """Of each model: pictures and pairs a second, files in and answers out; pairs from the cache."""
        cached = self._look()
        whole = _fastest([lambda m=model: self._answer(m, self._look()) for model in models])  # type: ignore[misc]
        from_cache = _fastest([lambda m=model: self._answer(m, cached) for model in models])  # type: ignore[misc]
        return [
            {
                "images_per_second": round(len(self._names) / seconds, 2),
                "pairs_per_second": round(len(self._pairs) / seconds, 2),
                "cached_pairs_per_second": round(len(self._pairs) / quick, 2),
            }
            for seconds, quick in zip(whole, from_cache, strict=True)
        ]

    def _look(self) -> dict[str, Tensor]:
        features: dict[str, Tensor] = {}
        size = self._decoding.batch_size
        for start in range(0, len(self._names), size):
            batch = self._names[start : start + size]
            pixels = self._encoder.pixels([load_image(image_path(self._root, name)) for name in batch])
            with torch.inference_mode():
                features.update(zip(batch, self._encoder.features(pixels), strict=True))
        return features

    def _answer(self, model: AnswerModel, features: dict[str, Tensor]) -> None:
        size, tokens = self._decoding.batch_size, self._decoding.max_new_tokens
        for start in range(0, len(self._pairs), size):
            rows = self._pairs[start : start + size]
            stacked = torch.stack([features[pair.image_name] for pair in rows])
            questions = [pair.question for pair in rows]
            model.texts(questions, stacked, tokens, self._decoding.num_beams, min_new_tokens=tokens)


def _fastest(works: Sequence[Callable[[], None]]) -> list[float]:
    """Seconds of each work's fastest round, taken in turn."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(1 + _ROUNDS):
        for work, of_work in zip(works, seconds, strict=True):
            start = time.perf_counter()
            work()
            of_work.append(time.perf_counter() - start)
    return [min(of_work[1:]) for of_work in seconds]
