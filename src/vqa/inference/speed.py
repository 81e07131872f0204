"""How fast a model turns images and questions into answers: baseline, adapter merged, adapter beside."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqa.catalogue.images import load_validated
from vqa.core.devices import TOO_LARGE, with_oom_hint
from vqa.core.progress import progress_bar
from vqa.pairs.pair import Pair
from vqa.vlm.attached_adapter import AttachedAdapter
from vqa.vlm.generation import distinct
from vqa.vlm.image_features import Features, ImageFeatures, together
from vqa.vlm.interfaces import AnswerModel, ImageEncoder

_ROUNDS = 5  # after one that warms up; for speeds the fastest counts, since other work only ever adds time


def pairs_of_first_images(pairs: Sequence[Pair], count: int) -> list[Pair]:
    names = set(sorted({pair.image_name for pair in pairs})[:count])
    return [pair for pair in pairs if pair.image_name in names]


class Work:
    """Images and questions to be answered: from files, or from features made before."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        paths: Mapping[str, Path],
        encoder: ImageEncoder,
        model: AnswerModel,
        batch_size: int,
        new_tokens: int,
        num_beams: int,
    ) -> None:
        """Every answer gets all of `new_tokens`, so that models do equal work."""
        self.pairs, self.names = pairs, sorted(paths)
        self._paths, self._encoder, self._model = paths, encoder, model
        self._batch_size, self._new_tokens, self._num_beams = batch_size, new_tokens, num_beams

    @torch.inference_mode()
    def features(self) -> dict[str, Tensor | ImageFeatures]:
        """Of every image, its file opened."""
        by_image: dict[str, Tensor | ImageFeatures] = {}
        for start in range(0, len(self.names), self._batch_size):
            batch = self.names[start : start + self._batch_size]
            pixels = self._encoder.pixels([load_validated(self._paths[name]) for name in batch])

            def image_features(count: int, pixels: Any = pixels) -> Features:
                return self._encoder.features(pixels[:count])

            rows = with_oom_hint(image_features, len(batch), "images", "decoding.batch_size", TOO_LARGE)
            by_image.update(zip(batch, rows, strict=True))
        return by_image

    def answer(self, features: Mapping[str, Tensor | ImageFeatures]) -> None:
        """All questions.

        Raises:
            InputError: a batch does not fit into memory.
        """
        for start in range(0, len(self.pairs), self._batch_size):
            rows = self.pairs[start : start + self._batch_size]

            def batch(count: int, rows: Sequence[Pair] = rows) -> None:
                names, images = distinct([pair.image_name for pair in rows[:count]])
                batch_features = together([features[name] for name in names])
                questions = [pair.question for pair in rows[:count]]
                tokens, beams = self._new_tokens, self._num_beams
                self._model.texts(
                    questions, batch_features, tokens, beams, min_new_tokens=tokens, images=images
                )

            with_oom_hint(batch, len(rows), "pairs", "decoding.batch_size", TOO_LARGE)


def measure_speeds(work: Work, adapter: AttachedAdapter, can_merge: bool) -> dict[str, Any]:
    """`baseline`, `lora` (merged where `can_merge`) and `unmerged`, end to end and from cached features,
    in the fastest round, and their ratios over the rounds: the median, the lowest and the highest.

    All three are states of one model, so that one language model is in memory, and take turns, so that none
    has the quieter moments.
    """
    states: dict[str, Callable[[], AbstractContextManager[None]]] = {
        "baseline": adapter.disabled,
        "lora": adapter.merged if can_merge else nullcontext,
        "unmerged": nullcontext,
    }
    seen = work.features()
    rounds = _rounds(states, lambda: work.answer(work.features()), "from files")
    whole = {state: min(seconds) for state, seconds in rounds.items()}
    of_cached = _rounds(states, lambda: work.answer(seen), "from features")
    cached = {state: min(seconds) for state, seconds in of_cached.items()}
    speeds = {
        state: {
            "images_per_second": round(len(work.names) / whole[state], 2),
            "pairs_per_second": round(len(work.pairs) / whole[state], 2),
            "cached_pairs_per_second": round(len(work.pairs) / cached[state], 2),
        }
        for state in states
    }
    ratios = _ratio("ratio", rounds["baseline"], rounds["lora"])
    return speeds | ratios | _ratio("unmerged_to_merged", rounds["lora"], rounds["unmerged"])


def _ratio(name: str, seconds: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """How many times as fast the others are, round by round: on a busy machine the rounds lie far apart."""
    ratios = [a / b for a, b in zip(seconds, others, strict=True)]
    ratio_range = {"": statistics.median(ratios), "_low": min(ratios), "_high": max(ratios)}
    return {f"{name}{end}": round(ratio, 3) for end, ratio in ratio_range.items()}


def _rounds(
    states: Mapping[str, Callable[[], AbstractContextManager[None]]], work: Callable[[], None], label: str
) -> dict[str, list[float]]:
    """Seconds of each round in each state, the one that warms up left out."""
    seconds: dict[str, list[float]] = {state: [] for state in states}
    with progress_bar((1 + _ROUNDS) * len(states), "round", label) as progress:
        for _ in range(1 + _ROUNDS):
            for state, entered in states.items():
                with entered():
                    start = time.perf_counter()
                    work()
                    seconds[state].append(time.perf_counter() - start)
                progress.update()
    return {state: of_state[1:] for state, of_state in seconds.items()}
