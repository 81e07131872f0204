"""Adapt the language model to the pairs: trusted pairs + cached features → adapter.

    python src/train.py
    torchrun --nproc-per-node 8 src/train.py      # or params.yaml: run.launcher

In: data/vqa/{train,val,not_trained_on}.csv, data/features, the model, with train.start_from an adapter. Out:
models/adapter/best (by validation BERTScore, its calibration.json beside it) and models/adapter/final in PEFT
format, metrics/train.json, metrics/plots/train. No image is opened and the ViT is not on the device. Killed,
the next run continues from its last checkpoint and ends with the same weights.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from vqa.core.devices import default_device, frozen_dtype, leave_processes, rank_and_world, wait_for_all
from vqa.core.errors import run_stage
from vqa.core.files import sha256_file, write_json
from vqa.core.partial_results import lock_run, remove_run, report_other_runs, run_folder
from vqa.core.state_dir import state_folder
from vqa.features.store import FeatureStore
from vqa.pairs.pair import Pair, read_pairs, without_left_out
from vqa.scoring.bertscore import BertScorer, encoder_named
from vqa.scoring.calibration import write_calibration
from vqa.settings import Settings, load_settings
from vqa.training.batches import CachedPairs, pairs_of_images
from vqa.training.progress import LivePlots, PairsBar, Validator
from vqa.training.trainer import AdapterTrainer, last_checkpoint, remove_torn_checkpoints, trainer_arguments
from vqa.vlm import lora
from vqa.vlm.base_model import adapter_to_continue, model_version
from vqa.vlm.generation import ZeroImages
from vqa.vlm.interfaces import AnswerModel
from vqa.vlm.loading import Pretrained
from vqa.vlm.tokens import answers_over_token_limit

Identity = Mapping[str, str | None]  # of the model that is adapted

TRAIN, VAL = Path("data/vqa/train.csv"), Path("data/vqa/val.csv")
NOT_TRAINED_ON = Path("data/vqa/not_trained_on.csv")
FEATURES, OUT = Path("data/features"), Path("models/adapter")
METRICS, PLOTS = Path("metrics/train.json"), Path("metrics/plots/train")
# Settings that decide no weight: a killed run goes on with others, and they make nothing stale.
NEUTRAL = (
    "train.eval_batch_size",  # of how many questions are answered at once no answer depends
    "train.checkpoint_steps",
    "train.checkpoint_minutes",
)


def run() -> None:
    settings, device = load_settings(), default_device()
    pretrained = Pretrained.of(settings.model)
    identity = pretrained.identity(device)
    start = adapter_to_continue(settings.train.start_from, OUT, identity)
    train_pairs, val_pairs = _pairs(settings)
    store = FeatureStore(FEATURES, identity, settings.features.level)
    features = ZeroImages(store) if settings.train.zero_image else store
    work = run_folder(state_folder("training"), _run(settings, identity, store.key, start))
    dtype = frozen_dtype(settings.model.dtype, device)
    arguments = trainer_arguments(work, settings.train, len(train_pairs), device, dtype)
    is_first = rank_and_world()[0] == 0

    with lock_run([work], is_first):
        set_seed(settings.train.seed)
        model = _adapted_model(pretrained, settings, device, start)
        scorer = BertScorer(encoder_named(settings.evaluate.scorer), device) if is_first else None
        if is_first:
            remove_torn_checkpoints(work)
            report_other_runs(work)
        bar = PairsBar(settings.train.batch_size)
        at_once, most_tokens = settings.train.eval_batch_size, settings.decoding.max_new_tokens
        validator = Validator(val_pairs, features, model, at_once, most_tokens, scorer)
        trainer = AdapterTrainer(
            model=model,
            validation=validator,
            settings=settings.train,
            train_dataset=CachedPairs(train_pairs, features),
            eval_dataset=CachedPairs(val_pairs, features),
            callbacks=[LivePlots(PLOTS), bar],
            args=arguments,
        )
        wait_for_all()
        with closing(bar):
            trainer.train_whole(last_checkpoint(work))
        if is_first:
            _save(trainer, validator, model, identity)
            _write_metrics(trainer, bar, model, [*train_pairs, *val_pairs], most_tokens)
            remove_run(work)
    leave_processes()


def _pairs(settings: Settings) -> tuple[list[Pair], list[Pair]]:
    """Those to learn from, and those to validate by."""
    trusted = without_left_out(NOT_TRAINED_ON, read_pairs(TRAIN))
    return pairs_of_images(trusted, settings.train.images, settings.train.seed), read_pairs(VAL)


def _adapted_model(
    pretrained: Pretrained, settings: Settings, device: torch.device, start: Path | None
) -> AnswerModel:
    """The model with the adapter to train; `start`: the one to go on from."""
    model = pretrained.load_answer_model(settings.model.prompt, device, settings.features.level)
    lora.add_adapter(model, settings.lora, settings.model.name, start)
    return model


def _save(trainer: AdapterTrainer, validator: Validator, model: AnswerModel, identity: Identity) -> None:
    """Write both adapters, and beside the best one the calibration of its probabilities."""
    trainer.save_adapters(OUT, identity)
    lora.load_adapter(model.eval(), OUT / "best")
    if calibration := validator.calibration():
        write_calibration(OUT / "best", calibration)
    print(f"saved the adapters in {OUT}")


def _write_metrics(
    trainer: AdapterTrainer, bar: PairsBar, model: AnswerModel, pairs: Sequence[Pair], most_tokens: int
) -> None:
    """With the number of `pairs` whose answers are cut at `most_tokens`, decoding.max_new_tokens."""
    over_limit = answers_over_token_limit(
        model.tokens.answer_ids, [pair.answer for pair in pairs], most_tokens
    )
    speed = {"pairs_per_second": round(bar.pairs_per_second, 1)}
    write_json(METRICS, trainer.metrics() | {"answers_over_token_limit": over_limit} | speed)


def _run(settings: Settings, identity: Identity, features: str, start: Path | None) -> dict[str, Any]:
    """All that decides the weights: a checkpoint of another run is never continued."""
    model = settings.model
    decisive = {key: value for key, value in asdict(settings.train).items() if f"train.{key}" not in NEUTRAL}
    return {
        "inputs": {str(p): sha256_file(p) for p in (TRAIN, NOT_TRAINED_ON, VAL)} | {"features": features},
        "model": [identity["fingerprint"], identity["dtype"], model.quantization, model.prompt],
        "settings": [asdict(settings.lora), decisive],
        "start": start and model_version(start),
        "validation": [settings.evaluate.scorer, settings.decoding.max_new_tokens],
        "world": rank_and_world()[1],
    }


if __name__ == "__main__":
    run_stage(run)
