"""The first token of 16 questions under a frozen head: states handed to it as they are, and contiguous.

    python benchmarks/frozen_head.py                   # opt-2.7b's widths and vocabulary, two layers
    python benchmarks/frozen_head.py --dtypes float32  # one alone

Out: a Markdown table on standard output. `as it was`: the code of ea79374, whose head got a slice of the
states; `contiguous`: as the models here hold their head now. Both are of one run and one model, in turns, the
fastest round in seconds of this process; `above` is what the process held at most beyond what it held before.
Needs Linux, torch and transformers; about 3 GB of memory, with a slice in bf16 7 GB.
"""

import argparse
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import torch
from published_live import random_blip2, random_features
from tabulate import tabulate

from vqa.vlm.blip2 import AnswerModel

QUESTIONS = 16
_DTYPES = ["float32", "bfloat16"]
CPU = torch.device("cpu")


@contextmanager
def as_it_was(model: AnswerModel) -> Iterator[None]:
    """In the block the head gets what transformers hands it."""
    head = model.language_model.get_output_embeddings()
    hooks = dict(head._forward_pre_hooks)
    head._forward_pre_hooks.clear()
    try:
        yield
    finally:
        head._forward_pre_hooks.update(hooks)


def first_tokens(model: AnswerModel, features: Any) -> list[str]:
    return model.texts([f"question {i}" for i in range(QUESTIONS)], features, 1)


def measured(model: AnswerModel, features: Any) -> tuple[float, float, list[str]]:
    """Seconds of this process, MB above what it held, and what was said."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark is the present one
    before, start = _megabytes("VmRSS"), time.process_time()
    said = first_tokens(model, features)
    return time.process_time() - start, _megabytes("VmHWM") - before, said


def _megabytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1000


def row_of(dtype: torch.dtype, layers: int, rounds: int) -> list[str]:
    model = random_blip2("blip2-opt-2.7b", layers, CPU, dtype).requires_grad_(False)
    features = random_features(model, QUESTIONS)
    first_tokens(model, features)  # warms up
    was, now = [], []
    for _ in range(rounds):
        with as_it_was(model):
            was.append(measured(model, features))
        now.append(measured(model, features))
    (seconds, above, said), (less, beyond, same) = (min(of, key=lambda m: m[0]) for of in (was, now))
    return [
        str(dtype).removeprefix("torch."),
        f"{seconds:.2f} s",
        f"{less:.2f} s",
        f"{seconds / less:.2f} ×",
        f"{above:,.0f} MB",
        f"{beyond:,.0f} MB",
        f"{sum(a == b for a, b in zip(said, same, strict=True))} of {QUESTIONS}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--dtypes", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"]
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    titles = ["weights", "as it was", "contiguous", "faster", "above", "above, contiguous", "same tokens"]
    rows = [row_of(getattr(torch, name), given.layers, given.rounds) for name in given.dtypes]
    print(tabulate(rows, titles, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
