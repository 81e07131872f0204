"""Train an adapter on cached features with transformers' Trainer; a killed run goes on from a checkpoint."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerControl, TrainingArguments

from vqa.core.devices import PATIENCE, TOO_LARGE, gathered, rank_and_world, with_oom_hint
from vqa.core.errors import InputError
from vqa.core.files import whole, writing
from vqa.pairs.pair import Pair
from vqa.settings import Train
from vqa.training.batches import Shuffled, any_order, collate, group_by_image
from vqa.training.progress import MinutesBetweenCheckpoints
from vqa.vlm import lora
from vqa.vlm.base_model import write_base
from vqa.vlm.interfaces import AnswerModel

_WHOLE = "whole"  # a file that a checkpoint gains last: without it, the checkpoint was cut short
_BEST = "best"
_MOST_GRADIENT = 1.0  # the norm beyond which gradients are clipped
_MOST_LOGGED = 2000  # points of a plot, or a few more


def trainer_arguments(
    work: Path, settings: Train, pairs: int, device: torch.device, dtype: torch.dtype
) -> TrainingArguments:
    """Our settings as transformers' TrainingArguments; `pairs` an epoch, `dtype` of the frozen weights.

    Raises:
        InputError: the batch cannot be divided among the processes.
    """
    is_cpu = device.type == "cpu"
    steps = math.ceil(pairs / settings.batch_size)
    every = steps * settings.epochs // _MOST_LOGGED  # plots are in git: a million pairs have 750,000 steps
    return TrainingArguments(
        output_dir=str(work),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.micro_batch_size,
        gradient_accumulation_steps=_accumulation(settings, rank_and_world()[1]),
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup" if settings.schedule == "constant" else settings.schedule,
        warmup_steps=settings.warmup_share,  # below 1 it is a share of all steps
        max_grad_norm=_MOST_GRADIENT,
        seed=settings.seed,
        use_cpu=is_cpu,
        bf16=dtype == torch.bfloat16 and not is_cpu,
        fp16=dtype == torch.float16 and not is_cpu,
        # Not by epoch: Trainer validates before it saves a checkpoint of the same step, but an epoch's end
        # comes after, and a run killed in between would never validate it.
        eval_strategy="steps",
        eval_steps=settings.eval_steps or steps,
        save_strategy="steps",
        save_steps=max(settings.checkpoint_steps, every),
        save_total_limit=2,
        restore_callback_states_from_checkpoint=True,
        metric_for_best_model="bert_score_f1",
        logging_steps=max(20, every),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,  # progress.PairsBar that counts pairs
        ddp_find_unused_parameters=False,
        ddp_timeout=int(PATIENCE.total_seconds()),
        dataloader_pin_memory=not is_cpu,
    )


def _accumulation(settings: Train, processes: int) -> int:
    """Forward passes a step on each process."""
    at_once = settings.micro_batch_size * processes
    if settings.batch_size % at_once:
        raise InputError(
            f"params.yaml: train.batch_size is {settings.batch_size}, but {processes} process(es) take "
            f"train.micro_batch_size {settings.micro_batch_size} each; make it a multiple of {at_once}"
        )
    return settings.batch_size // at_once


class AdapterTrainer(Trainer):
    """Trainer for the answer model: checkpoints hold the adapter alone, validation answers and scores."""

    def __init__(
        self,
        *,
        model: AnswerModel,
        validation: Callable[[], dict[str, float]],
        settings: Train,
        **named: Any,
    ) -> None:
        pauses = MinutesBetweenCheckpoints(settings.checkpoint_minutes)  # after those that log with them
        callbacks = [*named.pop("callbacks", []), *_stopping(settings), pauses]
        collator = collate(model, is_shared=settings.questions_per_prefix > 1)
        super().__init__(model=model, data_collator=collator, callbacks=callbacks, **named)
        # A process uses one GPU; where it sees more, Trainer would wrap the model in DataParallel.
        self.args._n_gpu = min(self.args.n_gpu, 1)
        self.remove_callback(PrinterCallback)  # progress.py shows what it would print
        self._answer_model = model
        self._validation = validation
        self._settings = settings
        self._work = Path(str(self.args.output_dir))
        self._unchecked: list[tuple[int, list[int], Tensor]] = []  # step, pairs and their loss

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        pairs, settings = self.train_dataset.pairs, self._settings
        if settings.questions_per_prefix > 1:
            names = [pair.image_name for pair in pairs]
            order = partial(group_by_image, names, settings.questions_per_prefix, settings.batch_size)
        else:
            order = partial(any_order, len(pairs))
        return Shuffled(len(pairs), order, settings.seed, lambda: int(self.state.epoch or 0))

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *arguments: Any, **named: Any) -> Any:
        numbers = inputs.pop("numbers")
        result = super().compute_loss(model, inputs, *arguments, **named)
        loss = result[0] if isinstance(result, tuple) else result
        self._unchecked.append((self.state.global_step + 1, numbers, loss.detach()))
        return result

    def _check_finite(self) -> None:
        """Check the losses since the last check and the trained weights; called by every process together.

        Not for each loss as it comes, since reading one waits for all work that is queued on the device.

        Raises:
            InputError: one of any process is not finite; it names the step, and of a loss the pairs.
        """
        losses = [loss for _, _, loss in self._unchecked]
        is_finite = torch.stack(losses).isfinite().tolist() if losses else []
        wrong = [of_loss for of_loss, is_fine in zip(self._unchecked, is_finite, strict=True) if not is_fine]
        self._unchecked = []
        weights = [weight for weight in self._answer_model.parameters() if weight.requires_grad]
        problem = ""
        if wrong:
            step, numbers, loss = wrong[0]
            problem = f"the loss is {loss.item()} at step {step} on {self._named(numbers)}"
        elif not torch.stack([weight.isfinite().all() for weight in weights]).all():
            problem = f"a weight of the adapter is no finite number after step {self.state.global_step}"
        if problems := list(filter(None, gathered(problem))):
            raise InputError(
                f"{problems[0]}; lower train.learning_rate, or set model.dtype to bfloat16 or float32 in "
                "params.yaml"
            )

    def log(self, logs: dict[str, float], *arguments: Any, **named: Any) -> None:
        self._check_finite()
        super().log(logs, *arguments, **named)

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], *arguments: Any, **named: Any
    ) -> Tensor:
        numbers = inputs["numbers"]

        def step(count: int) -> Tensor:
            if count == len(numbers):
                return super(AdapterTrainer, self).training_step(model, inputs, *arguments, **named)
            self._answer_model.zero_grad()  # a trial of a part, after the whole did not fit
            part = self.data_collator([self.train_dataset[i] for i in numbers[:count]])
            del part["numbers"]
            loss: Tensor = self._answer_model(**part)["loss"]
            loss.backward()
            return loss

        alone = rank_and_world()[1] == 1
        return with_oom_hint(step, len(numbers), "pairs", "train.micro_batch_size", TOO_LARGE, is_tried=alone)

    def _named(self, numbers: Sequence[int]) -> str:
        pairs: Sequence[Pair] = self.train_dataset.pairs
        return "; ".join(f"{pairs[i].image_name}: {pairs[i].question}" for i in numbers)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        self._check_finite()
        was_training = self._answer_model.training
        self._answer_model.eval()
        metrics = {f"eval_{name}": float(value) for name, value in self._validation().items()}
        self._answer_model.train(was_training)
        best = self.state.best_metric
        if self.args.should_save and (best is None or metrics["eval_bert_score_f1"] > best):
            self._save_best()
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _save_best(self) -> None:
        with writing(self._work / _BEST), whole(self._work / _BEST) as folder:
            folder.mkdir()
            lora.save_adapter(self._answer_model, folder)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if self.args.should_save:  # one process of all
            folder = Path(output_dir or self.args.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            lora.save_adapter(self._answer_model, folder)

    def _save_checkpoint(self, *arguments: Any, **named: Any) -> None:
        self._check_finite()
        with writing(self._work):
            super()._save_checkpoint(*arguments, **named)
        if self.args.should_save:
            (self._work / f"checkpoint-{self.state.global_step}" / _WHOLE).touch()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        lora.load_adapter(self._answer_model, Path(resume_from_checkpoint))

    def train_whole(self, checkpoint: str | None) -> None:
        """Train to the end, from `checkpoint` (None: afresh); on every process.

        The last step is validated too, also where eval_steps passes it over.
        """
        if self.args.should_save:  # one process of all
            trainable, total = lora.trainable_share(self._answer_model)
            print(f"training {trainable:,} of {total:,} parameters ({trainable / total:.2%})")
            if self._settings.questions_per_prefix > 1 and not self._answer_model.shares_prefix:
                print(f"a row a pair, no shared image prefix: {self._answer_model.sharing_refusal}")
            print(f"continuing from {checkpoint}" if checkpoint else "starting afresh")
        self.train(resume_from_checkpoint=checkpoint)
        logs = self.state.log_history
        if not any("eval_bert_score_f1" in e and e["step"] == self.state.global_step for e in logs):
            self.evaluate()

    def save_adapters(self, out: Path, identity: Mapping[str, str | None]) -> None:
        """`out/final` as it is now, `out/best` by validation; both in PEFT format, with the base model's
        `identity` beside.
        """
        with writing(out):
            shutil.rmtree(out, ignore_errors=True)
            (out / "final").mkdir(parents=True)
            lora.save_adapter(self._answer_model, out / "final")
            shutil.copytree(self._work / _BEST, out / "best")
        for folder in out.iterdir():
            write_base(folder, identity)

    def metrics(self) -> dict[str, float]:
        """What metrics/train.json records of a finished run."""
        logs = self.state.log_history
        losses = [entry["loss"] for entry in logs if "loss" in entry]
        best = max((entry for entry in logs if "eval_bert_score_f1" in entry), key=_bert_score)
        trainable, total = lora.trainable_share(self._answer_model)
        return {
            "pairs": len(self.train_dataset),
            "steps": self.state.global_step,
            "final_loss": round(losses[-1], 4),
            "best_epoch": round(best["epoch"], 2),
            "best_val_bert_score_f1": round(best["eval_bert_score_f1"], 4),
            "best_val_exact_match": round(best["eval_exact_match"], 4),
            "trainable_parameters": trainable,
            "trainable_share": round(trainable / total, 6),
        }


def remove_torn_checkpoints(work: Path) -> None:
    """Remove from a run's folder what a kill cut short."""
    for folder in work.glob("checkpoint-*"):
        if not (folder / _WHOLE).is_file():
            shutil.rmtree(folder)


def last_checkpoint(work: Path) -> str | None:
    """The last whole checkpoint in a run's folder."""
    whole = [folder for folder in work.glob("checkpoint-*") if (folder / _WHOLE).is_file()]
    return str(max(whole, key=lambda folder: int(folder.name.split("-")[1]))) if whole else None


def _stopping(settings: Train) -> list[EarlyStoppingCallback]:
    return [EarlyStoppingCallback(settings.patience)] if settings.patience else []


def _bert_score(entry: dict[str, float]) -> float:
    return entry["eval_bert_score_f1"]
