"""Training while it runs: a bar that counts pairs, plots through DVCLive, and when a checkpoint is due."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvclive import Live
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from vqa.core.devices import from_first
from vqa.core.progress import progress_bar


class PairsBar(TrainerCallback):
    """One bar over all epochs: pairs a second, time left, and the last loss."""

    def __init__(self, pairs_per_step: int) -> None:
        self._pairs_per_step = pairs_per_step
        self._bar: Any = None
        self._steps, self._seconds, self._began = 0, 0.0, 0.0

    @property
    def pairs_per_second(self) -> float:
        """While training, validation left out; of this process, also when it continued another's run."""
        return self._steps * self._pairs_per_step / self._seconds if self._steps else 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            total, done = (steps * self._pairs_per_step for steps in (state.max_steps, state.global_step))
            self._bar = progress_bar(total, "pair", "training", done)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._began = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._steps, self._seconds = self._steps + 1, self._seconds + time.perf_counter() - self._began
        if self._bar is not None:
            self._bar.update(self._pairs_per_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if self._bar is not None and logs and "loss" in logs:
            self._bar.set_postfix(loss=f"{float(logs['loss']):.3f}", refresh=False)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the bar's line, so that the next output, an error above all, has its own line."""
        if self._bar is not None:
            self._bar.close()


class LivePlots(TrainerCallback):
    """Loss, learning rate and validation scores by optimiser step through DVCLive.

    A run that continues first writes the entries of its checkpoint, so that the plot has every step once.
    transformers' own DVCLive callback counts log calls as steps and also logs run times, which would
    make a committed plot differ from run to run.
    """

    _PLOTTED = ("loss", "learning_rate", "eval_bert_score_f1", "eval_exact_match")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._live: Live | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._live = Live(str(self._folder), save_dvc_exp=False, dvcyaml=None, report=None)
        for entry in state.log_history:
            self._log(int(entry["step"]), entry)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        # The loss is a mean since the last log, which a checkpoint does not hold.
        control.should_log = control.should_log or control.should_save

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        self._log(state.global_step, logs or {})

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self._live is not None:
            self._live.end()

    def _log(self, step: int, logs: dict[str, Any]) -> None:
        if self._live is None:
            return
        self._live.step = step
        for name in self._PLOTTED:
            if name in logs:
                self._live.log_metric(name.removeprefix("eval_"), float(logs[name]))


class MinutesBetweenCheckpoints(TrainerCallback):
    """Passes over a checkpoint sooner than so many minutes after the one before; never the run's last.

    A checkpoint every 200 steps of a million pairs would write terabytes. Steps that may have one are logged
    whether they do or not, so that plots do not depend on the clock.
    """

    def __init__(self, minutes: float, now: Callable[[], float] = time.monotonic) -> None:
        self._minutes, self._now = minutes, now
        self._last = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._last = self._now()
        state.save_steps = int(args.save_steps)  # a checkpoint brings those of the run that wrote it

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if control.should_save and state.global_step < state.max_steps:
            # One clock decides for all processes: they save together.
            control.should_save = from_first(lambda: self._now() - self._last >= 60 * self._minutes)
        if control.should_save:
            self._last = self._now()
