"""The loop of both pre-training scripts: minimise a loss step by step, and survive being killed."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from vqa.core.devices import limit_threads
from vqa.core.files import whole
from vqa.core.progress import progress_bar

WARM_UP_STEPS = 100
CHECKPOINT_EVERY = 200

LossOf = Callable[[int], Tensor]  # of a step's number
Curve = list[tuple[str, int, float]]  # stage, step, loss


def minimise(module: nn.Module, stage: str, steps: int, peak: float, loss_of: LossOf, work: Path) -> Curve:
    """Minimise `loss_of(step)` with AdamW; returns the loss curve.

    What a step learns from must depend on its number alone: then a run that was killed continues as it
    was, from the last checkpoint in `work`.
    """
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=0.03, betas=(0.9, 0.98))
    checkpoint, first_step = work / f"{stage}.pt", 0
    curve: Curve = []
    if checkpoint.exists():
        state = torch.load(checkpoint)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        first_step, curve = state["step"], state["curve"]
    limit_threads(sum(parameter.numel() for parameter in module.parameters()))
    progress = progress_bar(steps, "step", stage, first_step)
    for step in range(first_step, steps):
        loss = loss_of(step)
        optimizer.param_groups[0]["lr"] = learning_rate(step, steps, peak)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        if step % 20 == 0:
            curve.append((stage, step, round(loss.item(), 4)))
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps:
            state = {"module": module.state_dict(), "optimizer": optimizer.state_dict()}
            with whole(checkpoint) as path:
                torch.save(state | {"step": step + 1, "curve": curve}, path)
        progress.update()
    progress.close()
    return curve


def chosen(count: int, batch: int, step: int) -> Tensor:
    """Numbers `[batch]` below `count`, drawn by the step alone."""
    return torch.randint(count, (batch,), generator=torch.Generator().manual_seed(step))


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, then cosine to zero."""
    if step < WARM_UP_STEPS:
        return peak * (step + 1) / WARM_UP_STEPS
    return peak * 0.5 * (1 + math.cos(math.pi * (step - WARM_UP_STEPS) / (steps - WARM_UP_STEPS)))
