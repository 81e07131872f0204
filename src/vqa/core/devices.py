"""The device, dtype and threads of tensors, and the rank of this process among how many.

Out of memory, on a GPU or a CPU: one sentence with the setting to change, measured where possible.
"""

import gc
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import TypeVar

import torch

from vqa.core.errors import InputError, is_out_of_memory

T = TypeVar("T")
PATIENCE = timedelta(days=7)  # with processes that others wait for
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# What torchrun alone sets for the processes that it starts.
_TORCHRUN = "TORCHELASTIC_RUN_ID"
# What clusters and shells leave behind. accelerate, which transformers' Trainer uses, would rely on it.
_LEFT_BEHIND = (
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    *("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    *(
        f"{mpi}_COMM_WORLD_{n}"
        for mpi in ("OMPI", "MV2")
        for n in ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE")
    ),
)
# Parameters of a model whose products are too small to share among threads: they would spend their time
# waiting for each other. At 3.6 M, on two cores, one thread is as fast as two when quiet and several times
# as fast beside other work (benchmarks/threads.py).
_SMALL = 50_000_000


def default_device() -> torch.device:
    """This process's GPU (torchrun numbers them), or the CPU. GPUs that stay idle are named on stderr.

    Raises:
        InputError: torchrun started more processes than this host has GPUs.
    """
    number, started = _local_rank_and_world()
    if not torch.cuda.is_available():
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if number >= count:
        raise InputError(
            f"{started} processes were started on a host with {count} GPU(s); set run.launcher in "
            f"params.yaml to torchrun --nproc-per-node {count}"
        )
    if number == 0 and started < count:
        _say(
            f"{count - started} of {count} GPUs are idle; to use them all set run.launcher in params.yaml to "
            f"torchrun --nproc-per-node {count}"
        )
    # Libraries that ask for "cuda" mean the current device.
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def frozen_dtype(setting: str, device: torch.device) -> torch.dtype:
    """dtype of the frozen weights for `model.dtype`.

    `auto` is bf16 on a GPU that has it in hardware, else fp32: fp16 overflows in BLIP-2's language model (NaN
    loss: transformers#30789, peft#376), and bf16 on a CPU without units for it, or emulated on an older GPU,
    is many times slower than fp32. It is fp32 on a CPU with such units too, so that features made on one CPU
    serve on another; see `mention_bfloat16`.
    """
    if setting != "auto":
        return DTYPES[setting]
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_bf16 else torch.float32


def mention_bfloat16(setting: str, device: torch.device, parameters: int) -> None:
    """Print once what bf16 would gain for a model of so many parameters if `auto` is fp32 on a CPU with AMX.

    One busy core with AMX multiplied matrices at 151 GFLOP/s in bf16 and at 28 in fp32. A small model's
    products are too small for that.
    """
    if setting != "auto" or device.type != "cpu" or parameters < _SMALL or rank_and_world()[0] > 0:
        return
    if torch.cpu.get_capabilities().get("amx_bf16"):
        _say(
            "model.dtype is auto, which is float32 on a CPU; this CPU has AMX and multiplies matrices about "
            "five times as fast in bfloat16: set model.dtype to bfloat16 in params.yaml to use it; features, "
            "adapter and answers are made anew then and differ by rounding"
        )


def limit_threads(parameters: int) -> None:
    """Let torch use as many threads on the CPU as a model of so many parameters gains from: one, or all."""
    if parameters < _SMALL:
        torch.set_num_threads(1)


def rank_and_world() -> tuple[int, int]:
    """Number of this process and how many there are: (0, 1) without torchrun."""
    if not _is_started_by_torchrun():
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def join_processes() -> None:
    """Join the process group of torchrun, so that `wait_for_all` works; does nothing without torchrun."""
    if rank_and_world()[1] > 1 and not torch.distributed.is_initialized():
        # A process that encodes the last shard, or scores, keeps the others waiting: that is no fault.
        torch.distributed.init_process_group("gloo", timeout=PATIENCE)


def leave_processes() -> None:
    """Leave the process group together: if one process ends first, the last messages of the others fail."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def wait_for_all() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def gathered(mine: T) -> list[T]:
    """Every process's value, by rank."""
    if not torch.distributed.is_initialized():
        return [mine]
    everyone: list[T | None] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, mine)
    return everyone  # type: ignore[return-value]


def from_first(work: Callable[[], T]) -> T:
    """Do `work` in the first process alone; return its result in all of them."""
    if not torch.distributed.is_initialized():
        return work()
    results = [work() if torch.distributed.get_rank() == 0 else None]
    torch.distributed.broadcast_object_list(results)
    return results[0]  # type: ignore[return-value]


def _local_rank_and_world() -> tuple[int, int]:
    """As `rank_and_world`, on this host."""
    if not _is_started_by_torchrun():
        return 0, 1
    return int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])


@cache
def _is_started_by_torchrun() -> bool:
    """Only torchrun's own mark counts: RANK=16 in a cluster's shell means some other program's ranks."""
    if _TORCHRUN in os.environ:
        return True
    names = [name for name in _LEFT_BEHIND if os.environ.pop(name, None) is not None]
    if names:
        _say(f"{', '.join(names)} in the environment is ignored: this process was not started by torchrun")
    return False


@cache
def _say(sentence: str) -> None:
    """Print a sentence once per process."""
    print(sentence, file=sys.stderr)


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
