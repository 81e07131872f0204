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
from vqa.blip2 import AnswerModel, ImageEncoder
from vqa.checkpoint import Checkpoint
from vqa.devices import default_device
from vqa.errors import run_command
from vqa.features import FeatureStore
from vqa.files import write_json
from vqa.guesses import majority_guesses, text_only_guesses
from vqa.pairs import Pair, read_pairs
from vqa.predictions import Blinded, Decoding, texts_for, write_predictions
from vqa.scoring import judgement, scores_of
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
    checkpoint = Checkpoint.of(settings.model)
    decoding = Decoding(
        settings.evaluate.batch_size, settings.evaluate.max_new_tokens, settings.evaluate.num_beams
    )
    train_pairs, test_pairs = read_pairs(TRAIN), read_pairs(TEST)
    store = FeatureStore(FEATURES, checkpoint.identity(), settings.features.level)
    base = checkpoint.load(device)
    processor = checkpoint.load_processor()
    model = AnswerModel(base, processor, settings.model.prompt, device, settings.features.level)

    texts = {"baseline": texts_for(test_pairs, store, model, decoding, "baseline")}
    lora.merge(model, ADAPTER, is_merged=settings.model.quantization == "none")
    texts["lora"] = texts_for(test_pairs, store, model, decoding, "lora")
    texts["blind"] = texts_for(test_pairs, Blinded(store), model, decoding, "blind")
    for system, said in texts.items():
        write_predictions(OUT / f"{system}.csv", test_pairs, said)
    texts["text_only"] = text_only_guesses(train_pairs, test_pairs)
    texts["majority"] = majority_guesses(train_pairs, test_pairs)

    encoder = ImageEncoder(
        base, processor, device, settings.features.level
    )  # on the device only now: answers never need it
    sample = _pairs_of_first_images(test_pairs, settings.evaluate.speed_images)
    speed = {"lora": speed_of(sample, settings.data.root, encoder, model, decoding)}
    model = AnswerModel(
        checkpoint.load(device), processor, settings.model.prompt, device, settings.features.level
    )
    speed["baseline"] = speed_of(sample, settings.data.root, encoder, model, decoding)

    scorer = BertScorer(encoder_named(settings.evaluate.scorer), device)
    scores = {system: scores_of(test_pairs, said, scorer) for system, said in texts.items()}
    metrics = judgement(test_pairs, scores, settings.evaluate.bootstrap_draws, settings.evaluate.seed)
    metrics["speed"] = speed | {"ratio": _ratio(speed)}
    metrics["scorer"] = bertscore.description(settings.evaluate.scorer)
    write_json(METRICS, metrics)
    print(f"judged {len(test_pairs)} answers of {len(texts)} systems; python src/results.py shows the table")


def _pairs_of_first_images(pairs: Sequence[Pair], count: int) -> list[Pair]:
    names = set(sorted({pair.image_name for pair in pairs})[:count])
    return [pair for pair in pairs if pair.image_name in names]


def _ratio(speed: dict[str, dict[str, float]]) -> float:
    return round(speed["lora"]["pairs_per_second"] / speed["baseline"]["pairs_per_second"], 3)


if __name__ == "__main__":
    run_command(run)
