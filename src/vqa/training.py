"""Train an adapter from cached features with transformers' Trainer."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from dvclive import Live
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from vqa.blip2 import AnswerModel
from vqa.errors import InputError
from vqa.features import FeatureStore
from vqa.pairs import Pair
from vqa.settings import Train


class CachedPairs(Dataset[tuple[Pair, Tensor]]):
    """Pair i and its picture's features `[Q, D]`."""

    def __init__(self, pairs: Sequence[Pair], store: FeatureStore) -> None:
        self._pairs, self._store = pairs, store

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Pair, Tensor]:
        pair = self._pairs[index]
        return pair, self._store[pair.image_name]


def collate(
    model: AnswerModel,
) -> Callable[[Sequence[tuple[Pair, Tensor]]], dict[str, Tensor]]:
    """Rows → `input_ids`, `attention_mask`, `labels` `[B, T]` and `features` `[B, Q, D]`."""

    def batch(rows: Sequence[tuple[Pair, Tensor]]) -> dict[str, Tensor]:
        questions = [pair.question for pair, _ in rows]
        answers = [pair.answer.lower() for pair, _ in rows]
        features = torch.stack([features for _, features in rows])
        return model.training_batch(questions, answers) | {"features": features}

    return batch


def trainer_arguments(work: Path, settings: Train, use_cpu: bool) -> TrainingArguments:
    """Validate and save after each epoch; the best epoch is the one with the highest BERTScore."""
    return TrainingArguments(
        output_dir=str(work),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup_share,  # below 1 it is a share of all steps
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        use_cpu=use_cpu,
        eval_strategy="epoch",
        save_strategy="epoch",
        metric_for_best_model="bert_score_f1",
        logging_steps=20,
        logging_first_step=True,
        remove_unused_columns=False,
        report_to=[],
        dataloader_pin_memory=not use_cpu,
    )


class LivePlots(TrainerCallback):
    """Logs loss, learning rate and validation scores by optimiser step through DVCLive.

    transformers' own DVCLive callback counts log calls as steps and also logs run times, which would
    make a committed plot differ from run to run.
    """

    _PLOTTED = ("loss", "learning_rate", "eval_bert_score_f1", "eval_exact_match")

    def __init__(self, live: Live) -> None:
        self._live = live

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero:
            self._live.step = state.global_step
            for name in self._PLOTTED:
                if name in (logs or {}):
                    self._live.log_metric(name.removeprefix("eval_"), (logs or {})[name])

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            self._live.end()


class AdapterTrainer(Trainer):
    """Trainer whose model is the PEFT-wrapped language model, fed by splicing features in.

    Validation is what the adapter is for: generate answers, score them.
    """

    def __init__(
        self, *, answer_model: AnswerModel, validation: Callable[[], dict[str, float]], **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._answer_model = answer_model
        self._validation = validation

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *arguments: Any, **named: Any) -> Any:
        # Ending in the parent keeps its scaling right under torchrun and gradient accumulation.
        features = inputs.pop("features")
        spliced = self._answer_model.forward(inputs, features)
        result = super().compute_loss(model, spliced, *arguments, **named)
        loss = result[0] if isinstance(result, tuple) else result
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}; lower "
                "train.learning_rate, or set model.dtype to bfloat16 or float32 in params.yaml"
            )
        return result

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        was_training = self.model.training
        self.model.eval()
        metrics = {f"eval_{name}": float(value) for name, value in self._validation().items()}
        self.model.train(was_training)
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def save_adapter(self, which: str, folder: Path) -> None:
        """Copy the `best` (by validation) or the `final` adapter to `folder/<which>`, in PEFT format."""
        if which == "final":
            self.model.save_pretrained(folder / which)
            return
        best = Path(str(self.state.best_model_checkpoint))
        (folder / which).mkdir(parents=True)
        for name in ("adapter_config.json", "adapter_model.safetensors", "README.md"):
            shutil.copyfile(best / name, folder / which / name)

    def metrics(self) -> dict[str, float]:
        """What a finished run is remembered by."""
        logs = self.state.log_history
        losses = [entry["loss"] for entry in logs if "loss" in entry]
        best = max((entry for entry in logs if "eval_bert_score_f1" in entry), key=_bert_score)
        return {
            "steps": self.state.global_step,
            "final_loss": round(losses[-1], 4),
            "best_epoch": round(best["epoch"], 2),
            "best_val_bert_score_f1": round(best["eval_bert_score_f1"], 4),
            "best_val_exact_match": round(best["eval_exact_match"], 4),
        }


def _bert_score(entry: dict[str, float]) -> float:
    return entry["eval_bert_score_f1"]
