"""Judge base against adapted on held-out pictures: predictions → scores → differences.

    python src/evaluate.py

In: data/vqa/{train,test}.csv, data/features, models/adapter/best, the model; pictures only for the
speed measurement. Out: data/predictions/{baseline,lora,blind}.csv and metrics/evaluate.json. Answers
come from cached features; `blind` is the adapted model with features zeroed, `text_only` and
`majority` never had a picture.
"""

from collections.abc import Sequence
from pathlib import Path

from vqa import bertscore, lora
from vqa.bertscore import BertScorer, encoder_named
from vqa.blip2 import AnswerModel, Checkpoint, ImageEncoder, default_device, frozen_dtype
from vqa.errors import run_command
from vqa.features import FeatureStore
from vqa.files import write_json
from vqa.guesses import majority_guesses, text_only_guesses
from vqa.pairs import Pair, read_pairs
from vqa.predictions import Blinded, Features, texts_for, write_predictions
from vqa.report import results_table
from vqa.scoring import differences, scores_of, summary
from vqa.settings import load_settings
from vqa.speed import speed_of

TRAIN, TEST = Path("data/vqa/train.csv"), Path("data/vqa/test.csv")
FEATURES = Path("data/features")
ADAPTER = Path("models/adapter/best")
OUT = Path("data/predictions")
METRICS = Path("metrics/evaluate.json")


def run() -> None:
    settings = load_settings()
    device = default_device()
    dtype = frozen_dtype(settings.model.dtype, device)
    checkpoint = Checkpoint(settings.model.name, settings.model.revision)
    train_pairs, test_pairs = read_pairs(TRAIN), read_pairs(TEST)
    store = FeatureStore(FEATURES, checkpoint.identity())
    base, processor = checkpoint.load(dtype), checkpoint.load_processor()
    model = AnswerModel(base, processor, settings.model.prompt, device)
    answering = (
        settings.evaluate.batch_size,
        settings.evaluate.max_new_tokens,
        settings.evaluate.num_beams,
    )

    def texts(label: str, features: Features) -> list[str]:
        return texts_for(test_pairs, features, model, *answering, label=label)

    predictions = {"baseline": texts("baseline", store)}
    model.language_model = lora.merged(model.language_model, ADAPTER)
    predictions["lora"] = texts("lora", store)
    predictions["blind"] = texts("blind", Blinded(store))
    predictions["text_only"] = text_only_guesses(train_pairs, test_pairs)
    predictions["majority"] = majority_guesses(train_pairs, test_pairs)

    encoder = ImageEncoder(base, processor, device)  # on the device only now: answers never need it
    sample = _pairs_of_first_images(test_pairs, settings.evaluate.speed_images)
    speed = {"lora": speed_of(sample, settings.data.root, encoder, model, *answering)}
    model.language_model = checkpoint.load(dtype).language_model.to(device)
    speed["baseline"] = speed_of(sample, settings.data.root, encoder, model, *answering)

    scorer = BertScorer(encoder_named(settings.evaluate.scorer), device)
    scores = {name: scores_of(test_pairs, said, scorer) for name, said in predictions.items()}

    for name in ("baseline", "lora", "blind"):
        write_predictions(OUT / f"{name}.csv", test_pairs, predictions[name])
    draws, seed = settings.evaluate.bootstrap_draws, settings.evaluate.seed
    against = {"delta": "baseline", "delta_to_blind": "blind", "delta_to_text_only": "text_only"}
    metrics = {name: summary(test_pairs, of_system) for name, of_system in scores.items()}
    metrics |= {
        key: differences(test_pairs, scores["lora"], scores[other], draws, seed)
        for key, other in against.items()
    }
    ratio = speed["lora"]["pairs_per_second"] / speed["baseline"]["pairs_per_second"]
    metrics["speed"] = {**speed, "ratio": round(ratio, 3)}
    metrics["scorer"] = bertscore.description(settings.evaluate.scorer)
    images = {pair.image_name for pair in test_pairs}
    metrics["data"] = {"test_pairs": len(test_pairs), "test_images": len(images)}
    write_json(METRICS, metrics)
    print(results_table(metrics))


def _pairs_of_first_images(pairs: Sequence[Pair], count: int) -> list[Pair]:
    names = set(sorted({pair.image_name for pair in pairs})[:count])
    return [pair for pair in pairs if pair.image_name in names]


if __name__ == "__main__":
    run_command(run)
