"""Adapt the language model to the pairs: trusted pairs + cached features → adapter.

    python src/train.py

In: data/vqa/{train,val}.csv, data/features, the model. Out: models/adapter/best (by validation
BERTScore) and models/adapter/final in PEFT format, metrics/train.json, metrics/plots/train. No picture
is opened and neither ViT nor Q-Former is on the device.
"""

import shutil
from pathlib import Path

from dvclive import Live
from transformers import set_seed

from vqa import lora
from vqa.bertscore import BertScorer, encoder_named
from vqa.blip2 import AnswerModel, Checkpoint, default_device, frozen_dtype
from vqa.errors import run_command
from vqa.features import FeatureStore
from vqa.files import write_json
from vqa.pairs import read_pairs
from vqa.predictions import Decoding, texts_for
from vqa.scoring import scores_of
from vqa.settings import load_settings
from vqa.training import AdapterTrainer, CachedPairs, LivePlots, collate, trainer_arguments

TRAIN, VAL = Path("data/vqa/train.csv"), Path("data/vqa/val.csv")
FEATURES = Path("data/features")
OUT = Path("models/adapter")
WORK = Path("models/adapter.work")  # the Trainer's own checkpoints; gone when the stage ends
METRICS = Path("metrics/train.json")
PLOTS = Path("metrics/plots/train")


def run() -> None:
    settings = load_settings()
    device = default_device()
    checkpoint = Checkpoint(settings.model.name, settings.model.revision)
    train_pairs, val_pairs = read_pairs(TRAIN), read_pairs(VAL)
    store = FeatureStore(FEATURES, checkpoint.identity())

    set_seed(settings.train.seed)
    base = checkpoint.load(frozen_dtype(settings.model.dtype, device))
    model = AnswerModel(base, checkpoint.load_processor(), settings.model.prompt, device)
    model.language_model = lora.with_adapter(model.language_model, settings.lora, settings.model.name)
    trainable, total = lora.trainable_share(model.language_model)
    print(f"training {trainable:,} of {total:,} language-model parameters ({trainable / total:.2%})")

    scorer = BertScorer(encoder_named(settings.evaluate.scorer), device)
    decoding = Decoding(settings.train.eval_batch_size, settings.evaluate.max_new_tokens)

    def validation() -> dict[str, float]:
        texts = texts_for(val_pairs, store, model, decoding, "validation")
        scores = scores_of(val_pairs, texts, scorer)
        return {"bert_score_f1": scores.f1.mean(), "exact_match": scores.exact_match.mean()}

    for folder in (WORK, PLOTS, OUT):
        shutil.rmtree(folder, ignore_errors=True)
    trainer = AdapterTrainer(
        answer_model=model,
        validation=validation,
        model=model.language_model,
        train_dataset=CachedPairs(train_pairs, store),
        eval_dataset=CachedPairs(val_pairs, store),
        data_collator=collate(model),
        callbacks=[LivePlots(Live(str(PLOTS), save_dvc_exp=False, dvcyaml=None, report=None))],
        args=trainer_arguments(WORK, settings.train, use_cpu=device.type == "cpu"),
    )
    trainer.train()
    trainer.save_adapter("final", OUT)
    trainer.save_adapter("best", OUT)
    shutil.rmtree(WORK)
    write_json(METRICS, {"pairs": len(train_pairs), **trainer.metrics(), **_size(trainable, total)})
    print(f"saved the adapters in {OUT}")


def _size(trainable: int, total: int) -> dict[str, float]:
    return {"trainable_parameters": trainable, "trainable_share": round(trainable / total, 6)}


if __name__ == "__main__":
    run_command(run)
