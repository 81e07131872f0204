"""How fast a model turns pictures and questions into answers, end to end."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from vqa.abo import image_path
from vqa.blip2 import AnswerModel, ImageEncoder
from vqa.images import load_image
from vqa.pairs import Pair
from vqa.predictions import Decoding

_ROUNDS = 3  # after one that warms up


def speed_of(
    pairs: Sequence[Pair],
    root: Path,
    encoder: ImageEncoder,
    model: AnswerModel,
    decoding: Decoding,
) -> dict[str, float]:
    """Pictures and pairs a second, files in and answers out; the median of three timed rounds."""
    names, size = sorted({pair.image_name for pair in pairs}), decoding.batch_size

    def answer_all() -> None:
        features: dict[str, Tensor] = {}
        for start in range(0, len(names), size):
            batch = names[start : start + size]
            pixels = encoder.pixels([load_image(image_path(root, name)) for name in batch])
            with torch.inference_mode():
                features.update(zip(batch, encoder.features(pixels), strict=True))
        for start in range(0, len(pairs), size):
            rows = pairs[start : start + size]
            stacked = torch.stack([features[pair.image_name] for pair in rows])
            questions = [pair.question for pair in rows]
            model.texts(questions, stacked, decoding.max_new_tokens, decoding.num_beams)

    seconds = []
    for _ in range(1 + _ROUNDS):
        start_time = time.perf_counter()
        answer_all()
        seconds.append(time.perf_counter() - start_time)
    typical = median(seconds[1:])
    return {
        "images_per_second": round(len(names) / typical, 2),
        "pairs_per_second": round(len(pairs) / typical, 2),
    }
