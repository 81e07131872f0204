"""The first token of 16 questions under a frozen head: states handed to it as they are, and contiguous.

    python benchmarks/frozen_head.py                   # opt-2.7b's widths and vocabulary, two layers
    python benchmarks/frozen_head.py --dtypes float32  # one alone
    python benchmarks/frozen_head.py --images 1 --write

Out: a Markdown table on standard output, with --write also in docs/results/frozen_head.md. `as it was`: the
code of ea79374, whose head got a slice of the states; `contiguous`: as the models here hold their head now.
Both are of one run and one model, in turns, the fastest round in seconds of this process, its head's share
apart; `above` is what the process held at most beyond what it held before. A CPU without units for bf16 is so
slow in the layers that they hide the head; so do image tokens, which questions about fewer images (--images)
share, as they do in the product.
Needs Linux, torch and transformers; about 3 GB of memory, with a slice in bf16 7 GB.
"""

import argparse
import ctypes
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from published_live import random_blip2, random_features
from result_pages import RESULTS, report

from vqa.vlm.blip2 import Blip2AnswerModel

QUESTIONS = 16
_DTYPES = ["float32", "bfloat16"]
CPU = torch.device("cpu")


@contextmanager
def as_it_was(model: Blip2AnswerModel) -> Iterator[None]:
    """In the block the head gets what transformers hands it."""
    head = model.language_model.get_output_embeddings()
    hooks = dict(head._forward_pre_hooks)
    head._forward_pre_hooks.clear()
    try:
        yield
    finally:
        head._forward_pre_hooks.update(hooks)


@dataclass(frozen=True)
class Round:
    """Seconds of this process, those of its head, MB above what was held before, and what was said."""

    seconds: float
    head: float
    above: float
    said: list[str]


def first_tokens(model: Blip2AnswerModel, features: Any) -> list[str]:
    of = [question * len(features) // QUESTIONS for question in range(QUESTIONS)]
    return model.texts([f"question {i}" for i in range(QUESTIONS)], features, 1, images=of)


def measured(model: Blip2AnswerModel, features: Any) -> Round:
    head = model.language_model.get_output_embeddings()
    forward, taken = head.forward, [0.0]

    def timed(states: torch.Tensor) -> torch.Tensor:
        start = time.process_time()
        made: torch.Tensor = forward(states)
        taken.append(time.process_time() - start)
        return made

    head.forward = timed
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what earlier rounds freed counts as free
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark is the present one
    before, start = _megabytes("VmRSS"), time.process_time()
    said = first_tokens(model, features)
    seconds = time.process_time() - start
    head.forward = forward
    return Round(seconds, sum(taken), _megabytes("VmHWM") - before, said)


def _megabytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1000


def row_of(dtype: torch.dtype, layers: int, images: int, rounds: int) -> list[str]:
    model = random_blip2("blip2-opt-2.7b", layers, CPU, dtype).requires_grad_(False)
    features = random_features(model, images)
    both: list[tuple[Round, Round]] = []
    for _ in range(rounds):
        with as_it_was(model):
            was = measured(model, features)
        both.append((was, measured(model, features)))
    was, now = (min(of, key=lambda measured: measured.seconds) for of in zip(*both, strict=True))
    return [
        f"{str(dtype).removeprefix('torch.')}, {images} image{'s' if images > 1 else ''}",
        *(f"{of.seconds:.2f} s" for of in (was, now)),
        f"{was.seconds / now.seconds:.2f} ×",
        *(f"{of.head:.2f} s" for of in (was, now)),
        f"{was.head / now.head:.1f} ×",
        *(f"{of.above:,.0f} MB" for of in (was, now)),
        f"{sum(a == b for a, b in zip(was.said, now.said, strict=True))} of {QUESTIONS}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument(
        "--images", type=int, nargs="+", default=[QUESTIONS], help="that the questions are about"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="into docs/results/frozen_head.md")
    parser.add_argument(
        "--dtypes", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"]
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    page = RESULTS / "frozen_head.md" if given.write else None
    titles = ["weights", "as it was", "contiguous", "faster", "its head", "contiguous", "faster"]
    titles += ["above", "contiguous", "same tokens"]
    for name in given.dtypes:
        for images in given.images:
            row = row_of(getattr(torch, name), given.layers, images, given.rounds)
            report(titles, row, "cpu", page, "first token")


if __name__ == "__main__":
    main()
