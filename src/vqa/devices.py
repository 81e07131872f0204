"""Where tensors live, in which dtype, and which process of how many this is."""

import os

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def default_device() -> torch.device:
    """This process's GPU (torchrun numbers them), or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def frozen_dtype(setting: str, device: torch.device) -> torch.dtype:
    """dtype of the frozen weights for `model.dtype`.

    `auto` is bf16 on a GPU that has it, else fp32: fp16 overflows in BLIP-2's language model (NaN
    loss: transformers#30789, peft#376), and bf16 on a CPU is many times slower than fp32.
    """
    if setting != "auto":
        return DTYPES[setting]
    has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if has_bf16 else torch.float32


def rank_and_world() -> tuple[int, int]:
    """Number of this process and how many there are: (0, 1) without torchrun."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def join_processes() -> None:
    """Meet the other processes that torchrun started, so that `wait_for_all` can be used; alone, nothing."""
    if rank_and_world()[1] > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")


def leave_processes() -> None:
    """Part from the other processes together: one that ends first makes the others' last words fail."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def wait_for_all() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
