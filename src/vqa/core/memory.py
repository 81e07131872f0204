"""Out of memory, on a GPU or a CPU: one sentence with the setting to change, measured where possible."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from vqa.core.errors import InputError, is_out_of_memory

T = TypeVar("T")
# The remedy if not even one thing at a time fits.
TOO_LARGE = (
    "choose a smaller model.name, model.dtype bfloat16, or on a GPU model.quantization 4bit in params.yaml"
)


def in_memory(work: Callable[[], T], what: str, remedy: str) -> T:
    """`work()`, of which no part can be tried in its place.

    Raises:
        InputError: `what` does not fit; `remedy` says what to change.
    """
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    release()
    raise InputError(f"out of memory: {what}; {remedy}")


def with_oom_hint(
    work: Callable[[int], T], size: int, things: str, key: str, too_large: str, is_tried: bool = True
) -> T:
    """`work(size)`: `size` things at once, whose number `key` in params.yaml sets.

    Raises:
        InputError: they do not fit. It names the largest half, quarter, … that does, tried after the memory
            of the failed attempt was freed; `too_large` says what helps where not even one fits. `is_tried`
            False: nothing can be tried, since other processes wait amid the work, and it names the half.
    """
    try:
        return work(size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Here the error is gone, and with it the frames that hold the failed batch.
    fitting = _largest_that_fits(work, size) if is_tried else size // 2
    proved = ": that fits" if is_tried else ""
    hint = f"set {key} to {fitting} in params.yaml{proved}" if fitting else too_large
    raise InputError(f"out of memory with {size} {things} at once; {hint}")


def release() -> None:
    """Free the memory that nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _largest_that_fits(work: Callable[[int], object], size: int) -> int | None:
    while (size := size // 2) >= 1:
        release()
        try:
            work(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            continue
        return size
    return None
