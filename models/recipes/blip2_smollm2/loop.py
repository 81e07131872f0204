"""The loop of both stages: minimise a loss step by step, survive being killed, and say how long it takes.

What a step does depends on its number alone: its photographs, its texts, its dropout. So a run that was
killed goes on from its last checkpoint as it would have gone.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vqa.core.files import whole

CHECKPOINT_SECONDS, LOG_SECONDS = 240.0, 60.0
WARM_UP_SHARE = 0.05
_MAX_GRAD_NORM = 1.0

Losses = Mapping[str, Tensor]  # parts of a step's loss by name; their sum is minimised
Measured = Mapping[str, float]


@dataclass(frozen=True)
class Stage:
    """What is minimised: so many steps, with a learning rate for each group of parameters."""

    name: str
    steps: int
    groups: Sequence[tuple[Sequence[nn.Parameter], float]]  # parameters, peak learning rate
    losses: Callable[[int], Losses]  # of a step's number
    measure: Callable[[], Measured]  # on photographs held out
    measure_every: int  # steps


def trained_names(module: nn.Module) -> list[str]:
    return [name for name, parameter in module.named_parameters() if parameter.requires_grad]


def minimise(module: nn.Module, stage: Stage, work: Path, seed: int) -> list[dict[str, Any]]:
    """Minimise with AdamW, from the last checkpoint in `work` on; the curve, an entry a measurement."""
    optimizer = torch.optim.AdamW(
        [{"params": list(parameters), "lr": peak, "peak": peak} for parameters, peak in stage.groups],
        weight_decay=0.05,
        betas=(0.9, 0.98),
    )
    checkpoint, first = work / f"{stage.name}.pt", 0
    curve: list[dict[str, Any]] = []
    sums: dict[str, float] = {}  # of the losses since the last measurement, and of how many steps
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(state["module"], strict=False)
        optimizer.load_state_dict(state["optimizer"])
        first, curve, sums = state["step"], state["curve"], state["sums"]
        _say(stage, first, f"continues from {checkpoint}")
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    begun = saved = logged = time.monotonic()
    for step in range(first, stage.steps):
        torch.manual_seed(_seed_of(seed, step))
        module.train()
        losses = stage.losses(step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, stage.steps, group["peak"])
        optimizer.zero_grad()
        total = torch.stack(list(losses.values())).sum()
        if not total.isfinite():
            raise FloatingPointError(f"{stage.name}: the loss of step {step} is {total.item()}")
        total.backward()
        torch.nn.utils.clip_grad_norm_(trained, _MAX_GRAD_NORM)
        optimizer.step()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value.item()
            sums[f"n {name}"] = sums.get(f"n {name}", 0.0) + 1
        now, is_last = time.monotonic(), step + 1 == stage.steps
        if now - logged > LOG_SECONDS or is_last:
            logged, rate = now, (now - begun) / (step + 1 - first)
            left = (stage.steps - step - 1) * rate / 3600
            means = " ".join(f"{name} {value:.3f}" for name, value in _means(sums).items())
            _say(stage, step + 1, f"{means}; {rate:.2f} s a step, {left:.1f} h left")
        if (step + 1) % stage.measure_every == 0 or is_last:
            module.eval()
            with torch.no_grad():
                measured = {name: round(value, 4) for name, value in stage.measure().items()}
            entry = {"stage": stage.name, "step": step + 1}
            entry |= {name: round(value, 4) for name, value in _means(sums).items()} | measured
            curve.append(entry)
            sums = {}
            _say(stage, step + 1, json.dumps(entry))
        if now - saved > CHECKPOINT_SECONDS or is_last:
            _save(checkpoint, module, optimizer, {"step": step + 1, "curve": curve, "sums": sums})
            saved = time.monotonic()
    return curve


def batch_numbers(count: int, size: int, step: int, seed: int) -> Tensor:
    """`size` different numbers below `count` `[size]`: each number once an epoch, in another order each."""
    epoch, batch = divmod(step, count // size)
    generator = torch.Generator().manual_seed(_seed_of(seed, epoch))
    return torch.randperm(count, generator=generator)[batch * size : (batch + 1) * size]


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, then cosine to a hundredth."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))))


def _means(sums: Mapping[str, float]) -> dict[str, float]:
    return {name: value / sums[f"n {name}"] for name, value in sums.items() if not name.startswith("n ")}


def _save(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, progress: Mapping[str, Any]
) -> None:
    names = set(trained_names(module))
    state = {name: tensor for name, tensor in module.state_dict().items() if name in names}
    with whole(path) as temporary:
        torch.save({"module": state, "optimizer": optimizer.state_dict(), **progress}, temporary)


def _seed_of(seed: int, number: int) -> int:
    return seed * 1_000_003 + number


def _say(stage: Stage, step: int, text: str) -> None:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    print(f"{stamp} {stage.name} {step}/{stage.steps}: {text}", file=sys.stderr, flush=True)
