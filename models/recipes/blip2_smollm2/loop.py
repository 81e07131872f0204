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
    run = _Run(module, stage, work)
    begun = saved = logged = time.monotonic()
    for step in range(run.first, stage.steps):
        torch.manual_seed(_seed_of(seed, step))
        run.take_step(step)
        now, is_last = time.monotonic(), step + 1 == stage.steps
        if now - logged > LOG_SECONDS or is_last:
            logged, rate = now, (now - begun) / (step + 1 - run.first)
            left = (stage.steps - step - 1) * rate / 3600
            means = " ".join(f"{name} {value:.3f}" for name, value in _means(run.sums).items())
            _say(stage, step + 1, f"{means}; {rate:.2f} s a step, {left:.1f} h left")
        if (step + 1) % stage.measure_every == 0 or is_last:
            run.measure(step + 1)
        if now - saved > CHECKPOINT_SECONDS or is_last:
            run.save(step + 1)
            saved = time.monotonic()
    return run.curve


class _Run:
    """A stage under way: module, optimizer, curve, and the losses since the last measurement."""

    def __init__(self, module: nn.Module, stage: Stage, work: Path) -> None:
        self._module, self._stage, self._checkpoint = module, stage, work / f"{stage.name}.pt"
        self._optimizer = torch.optim.AdamW(
            [{"params": list(parameters), "lr": peak, "peak": peak} for parameters, peak in stage.groups],
            weight_decay=0.05,
            betas=(0.9, 0.98),
        )
        self.first = 0  # step that this process begins with
        self.curve: list[dict[str, Any]] = []
        self.sums: dict[str, float] = {}  # of the losses since the last measurement, and of how many steps
        if self._checkpoint.exists():
            state = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
            module.load_state_dict(state["module"], strict=False)
            self._optimizer.load_state_dict(state["optimizer"])
            self.first, self.curve, self.sums = state["step"], state["curve"], state["sums"]
            _say(stage, self.first, f"continues from {self._checkpoint}")

    def take_step(self, step: int) -> None:
        self._module.train()
        losses = self._stage.losses(step)
        groups = self._optimizer.param_groups
        for group in groups:
            group["lr"] = learning_rate(step, self._stage.steps, group["peak"])
        self._optimizer.zero_grad()
        total = torch.stack(list(losses.values())).sum()
        if not total.isfinite():
            raise FloatingPointError(f"{self._stage.name}: the loss of step {step} is {total.item()}")
        total.backward()
        trained = [parameter for group in groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(trained, _MAX_GRAD_NORM)
        self._optimizer.step()
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.item()
            self.sums[f"n {name}"] = self.sums.get(f"n {name}", 0.0) + 1

    def measure(self, step: int) -> None:
        """Enter the mean losses since the last time, and what is measured on held-out photographs."""
        self._module.eval()
        with torch.no_grad():
            measured = {name: round(value, 4) for name, value in self._stage.measure().items()}
        entry = {"stage": self._stage.name, "step": step}
        entry |= {name: round(value, 4) for name, value in _means(self.sums).items()} | measured
        self.curve.append(entry)
        self.sums = {}
        _say(self._stage, step, json.dumps(entry))

    def save(self, step: int) -> None:
        names = set(trained_names(self._module))
        state = {name: tensor for name, tensor in self._module.state_dict().items() if name in names}
        saved = {"module": state, "optimizer": self._optimizer.state_dict()}
        with whole(self._checkpoint) as temporary:
            torch.save(saved | {"step": step, "curve": self.curve, "sums": self.sums}, temporary)


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


def _seed_of(seed: int, number: int) -> int:
    return seed * 1_000_003 + number


def _say(stage: Stage, step: int, text: str) -> None:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    print(f"{stamp} {stage.name} {step}/{stage.steps}: {text}", file=sys.stderr, flush=True)
