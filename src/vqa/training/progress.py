"""Training while it runs: a bar that counts pairs, plots through DVCLive, when a checkpoint is due.

And how good the model is as it stands: it answers the validation questions, and the answers are scored.
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dvclive import Live
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from vqa.core.devices import from_first
from vqa.core.errors import InputError
from vqa.core.progress import progress_bar
from vqa.pairs.answer_normalization import exact_match, first_word
from vqa.pairs.pair import Pair
from vqa.scoring.bertscore import BertScorer
from vqa.scoring.calibration import TEMPERATURES, Calibration, fit
from vqa.scoring.scores import score_texts
from vqa.vlm.generation import Decoding, Features, distinct, generate_texts
from vqa.vlm.interfaces import AnswerModel


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


_FITTED_ON = 2000  # validation questions at most: one number needs no more


@dataclass(frozen=True)
class Validator:
    """Called on every process; all of them answer together, and only the first has a scorer."""

    pairs: Sequence[Pair]
    features: Features
    model: AnswerModel
    batch_size: int  # train.eval_batch_size
    max_new_tokens: int
    scorer: BertScorer | None

    def __call__(self) -> dict[str, float]:
        """Mean BERTScore F1 and exact match, the same on every process."""
        decoding = Decoding(self.batch_size, self.max_new_tokens, batch_key="train.eval_batch_size")
        texts = generate_texts(self.pairs, self.features, self.model, decoding, "validation")
        return from_first(lambda: self._scores(texts))

    def _scores(self, texts: Sequence[str]) -> dict[str, float]:
        assert self.scorer is not None
        scores = score_texts(self.pairs, texts, self.scorer)
        return {"bert_score_f1": scores.bert_score_f1.mean(), "exact_match": scores.exact_match.mean()}

    def calibration(self) -> Calibration | None:
        """The temperature of the model as it stands, by this process alone; None: too little to tell it."""
        pairs = sorted(self.pairs[:_FITTED_ON], key=lambda pair: pair.image_name)
        starts = range(0, len(pairs), self.batch_size)
        answered = [row for start in starts for row in self._answered(pairs[start : start + self.batch_size])]
        is_right, log_probabilities = zip(*answered, strict=True)
        try:
            return fit(np.array(log_probabilities), np.array(is_right))
        except InputError as error:
            print(f"not calibrated: {error}")
            return None

    def _answered(self, pairs: Sequence[Pair]) -> list[tuple[bool, list[float]]]:
        """Of each pair whether its answer is right, and the answer's log probability at each temperature."""
        names, images = distinct([pair.image_name for pair in pairs])
        texts, logs = self.model.texts_at_temperatures(
            [pair.question for pair in pairs],
            self.features.rows(names),
            self.max_new_tokens,
            TEMPERATURES,
            images,
        )
        is_right = [exact_match(first_word(t), pair.answer) for t, pair in zip(texts, pairs, strict=True)]
        return list(zip(is_right, logs.tolist(), strict=True))
