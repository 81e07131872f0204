"""Answer the held-out questions with the model as it came: pairs + cached features → predictions.

    python src/answer_base.py

In: data/vqa/{train,test}.csv, data/features, the model. Out: data/predictions/baseline.csv. A stage of its
own, so that another adapter never answers with the base model again.
"""

from pathlib import Path

from vqa.checkpoint import Checkpoint
from vqa.devices import default_device
from vqa.errors import run_command
from vqa.features import FeatureStore
from vqa.pairs import read_pairs
from vqa.predictions import Decoding, allowed_answers, texts_for, write_predictions
from vqa.settings import load_settings

TRAIN, TEST = Path("data/vqa/train.csv"), Path("data/vqa/test.csv")
FEATURES = Path("data/features")
OUT = Path("data/predictions/baseline.csv")


def run() -> None:
    settings = load_settings()
    checkpoint = Checkpoint.of(settings.model)
    pairs = read_pairs(TEST)
    store = FeatureStore(FEATURES, checkpoint.identity(), settings.features.level)
    model = checkpoint.load_answer_model(settings.model.prompt, default_device(), settings.features.level)
    decoding = Decoding(
        settings.evaluate.batch_size,
        settings.evaluate.max_new_tokens,
        settings.evaluate.num_beams,
        allowed_answers(read_pairs(TRAIN), settings.evaluate.constrained),
    )
    texts = texts_for(pairs, store, model, decoding, "baseline")
    write_predictions(OUT, pairs, texts)
    print(f"wrote the base model's {len(texts)} answers to {OUT}")


if __name__ == "__main__":
    run_command(run)
