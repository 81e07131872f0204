"""Judge base against adapted on held-out pictures: predictions → scores → differences.

    python src/evaluate.py
    python src/evaluate.py --predictions FILE [--against FILE]    # any CSV with answer and generated_answer

In: data/vqa/{train,test}.csv, data/features, models/adapter/best, data/predictions/baseline.csv and others/,
the model; pictures only for the speed measurement and the page. Out: data/predictions/{lora,blind,
wrong_image}.csv, metrics/evaluate.json, details.json (intervals by type), report.html and plots/evaluate.
`blind` is the adapted model with features zeroed, `wrong_image` with those of another picture; `text_only`
and `majority` never had a picture.
"""

import argparse
import json
from pathlib import Path

from vqa import bertscore, lora, plots, predictions
from vqa.abo import image_path
from vqa.bertscore import BertScorer, encoder_named
from vqa.checkpoint import Checkpoint
from vqa.devices import default_device
from vqa.errors import run_command
from vqa.features import FeatureStore
from vqa.files import whole_file, write_json
from vqa.guesses import majority_guesses, text_only_guesses
from vqa.images import content_hash
from vqa.lora import WEIGHTS
from vqa.pairs import read_pairs
from vqa.predictions import (
    Decoding,
    check_same_rows,
    read_predictions,
    read_texts,
    texts_for,
    write_predictions,
)
from vqa.report_page import report_page
from vqa.scoring import details, differences, judgement, scores_of, scores_of_systems, summary
from vqa.settings import Settings, load_settings
from vqa.speed import pairs_of_first_images, speeds_of

TRAIN, TEST = Path("data/vqa/train.csv"), Path("data/vqa/test.csv")
FEATURES = Path("data/features")
ADAPTER = Path("models/adapter/best")
BASELINE = Path("data/predictions/baseline.csv")
LORA = Path("data/predictions/lora.csv")
BLIND = Path("data/predictions/blind.csv")
WRONG_IMAGE = Path("data/predictions/wrong_image.csv")
OTHERS = Path("data/predictions/others")
METRICS = Path("metrics/evaluate.json")
DETAILS = Path("metrics/details.json")
PAGE = Path("metrics/report.html")
PLOTS = Path("metrics/plots/evaluate")


def run() -> None:
    settings = load_settings()
    device = default_device()
    train_pairs, test_pairs = read_pairs(TRAIN), read_pairs(TEST)
    texts = {"baseline": read_texts(BASELINE, test_pairs)} | _adapted_texts(settings)
    texts["text_only"] = text_only_guesses(train_pairs, test_pairs)
    texts["majority"] = majority_guesses(train_pairs, test_pairs)

    others = {path.stem: read_texts(path, test_pairs) for path in sorted(OTHERS.glob("*.csv"))}

    scorer = BertScorer(encoder_named(settings.evaluate.scorer), device)
    every = scores_of_systems(test_pairs, texts | others, scorer)
    scores = {system: every[system] for system in texts}
    draws, seed = settings.evaluate.bootstrap_draws, settings.evaluate.seed
    metrics = judgement(test_pairs, scores, draws, seed)
    metrics["others"] = {name: summary(test_pairs, every[name]) for name in others}
    metrics["speed"] = _speed(settings)
    metrics["scorer"] = bertscore.description(settings.evaluate.scorer)
    intervals = details(test_pairs, scores, draws, seed)
    intervals["judged"] = {str(path): content_hash(path) for path in (ADAPTER / WEIGHTS, TRAIN, TEST)}

    plots.write(PLOTS, test_pairs, texts, intervals)
    page = report_page(
        metrics, intervals, test_pairs, texts, scores, lambda name: image_path(settings.data.root, name)
    )
    with whole_file(PAGE) as file:
        file.write(page)
    write_json(DETAILS, intervals)
    write_json(METRICS, metrics)
    print(f"judged {len(test_pairs)} answers of {len(texts)} systems; python src/results.py shows the table")
    print(f"look at them in {PAGE}")


def _adapted_texts(settings: Settings) -> dict[str, list[str]]:
    """What the adapter says, with the picture, without it, and with another; written as predictions."""
    checkpoint = Checkpoint.of(settings.model)
    pairs = read_pairs(TEST)
    store = FeatureStore(FEATURES, checkpoint.identity(), settings.features.level)
    model = checkpoint.load_answer_model(settings.model.prompt, default_device(), settings.features.level)
    lora.merge(model, ADAPTER, is_merged=settings.model.quantization == "none")
    decoding = _decoding(settings)
    views: dict[str, tuple[Path, predictions.Features]] = {
        "lora": (LORA, store),
        "blind": (BLIND, predictions.Blinded(store)),
        "wrong_image": (WRONG_IMAGE, predictions.Swapped(store, [pair.image_name for pair in pairs])),
    }
    texts = {}
    for system, (path, features) in views.items():
        texts[system] = texts_for(pairs, features, model, decoding, system)
        write_predictions(path, pairs, texts[system])
    return texts


def _speed(settings: Settings) -> dict[str, object]:
    sample = pairs_of_first_images(read_pairs(TEST), settings.evaluate.speed_images)
    level, prompt = settings.features.level, settings.model.prompt
    checkpoint = Checkpoint.of(settings.model)
    return speeds_of(sample, settings.data.root, checkpoint, prompt, level, ADAPTER, _decoding(settings))


def _decoding(settings: Settings) -> Decoding:
    return Decoding(
        settings.evaluate.batch_size,
        settings.evaluate.max_new_tokens,
        settings.evaluate.num_beams,
        predictions.allowed_answers(read_pairs(TRAIN), settings.evaluate.constrained),
    )


def score_file(path: Path, other: Path | None) -> None:
    """Print the scores of somebody's predictions as JSON, and nothing else, on standard output.

    With `other`, another system's predictions for the same rows: both scores and the difference.
    """
    evaluate = load_settings().evaluate
    scorer = BertScorer(encoder_named(evaluate.scorer), default_device())
    pairs, texts = read_predictions(path)
    scores = scores_of(pairs, texts, scorer)
    found = summary(pairs, scores)
    if other is not None:
        other_pairs, other_texts = read_predictions(other)
        check_same_rows(path, pairs, other, other_pairs)
        theirs = scores_of(other_pairs, other_texts, scorer)
        delta = differences(pairs, scores, theirs, evaluate.bootstrap_draws, evaluate.seed)
        found = {"predictions": found, "against": summary(other_pairs, theirs), "delta": delta}
    print(json.dumps(found, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--predictions", type=Path, metavar="FILE", help="score this CSV and print JSON")
    parser.add_argument("--against", type=Path, metavar="FILE", help="and this one, with the difference")
    given = parser.parse_args()
    run_command(run if given.predictions is None else lambda: score_file(given.predictions, given.against))


if __name__ == "__main__":
    main()
