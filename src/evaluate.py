"""Judge base against adapted on held-out pictures: predictions → scores → differences.

    python src/evaluate.py
    python src/evaluate.py --predictions FILE [--against FILE]    # any CSV with answer and generated_answer

In: data/vqa/{train,test}.csv, data/predictions; pictures only for the page. Out: metrics/evaluate.json,
details.json (intervals by type), report.html and plots/evaluate. No model but BERTScore's encoder is
loaded, on the CPU, so that equal predictions give equal bytes. `text_only` and `majority` never had a
picture.
"""

import argparse
import json
from pathlib import Path

import torch

from vqa.catalogue.abo import image_path
from vqa.evaluation import plots
from vqa.evaluation.blind_guesses import majority_guesses, text_only_guesses
from vqa.evaluation.comparison import differences, judgement, summary
from vqa.evaluation.report_page import report_page
from vqa.foundation.devices import use_threads_for
from vqa.foundation.errors import run_command
from vqa.foundation.files import sha256_of, whole_file, write_json
from vqa.foundation.memory import in_memory
from vqa.pairs.pair import read_pairs
from vqa.pairs.predictions import check_same_rows, read_predictions, read_texts
from vqa.scoring import bertscore
from vqa.scoring.bertscore import BertScorer, encoder_named
from vqa.scoring.scores import scores_of, scores_of_systems
from vqa.settings import load_settings

TRAIN, TEST = Path("data/vqa/train.csv"), Path("data/vqa/test.csv")
ADAPTER = Path("models/adapter/best/adapter_model.safetensors")
BASELINE = Path("data/predictions/baseline.csv")
ADAPTED = {
    "lora": Path("data/predictions/lora.csv"),
    "blind": Path("data/predictions/blind.csv"),
    "wrong_image": Path("data/predictions/wrong_image.csv"),
}
OTHERS = Path("data/predictions/others")
METRICS = Path("metrics/evaluate.json")
DETAILS = Path("metrics/details.json")
PAGE = Path("metrics/report.html")
PLOTS = Path("metrics/plots/evaluate")


def run() -> None:
    settings = load_settings()
    train_pairs, test_pairs = read_pairs(TRAIN), read_pairs(TEST)
    texts = {"baseline": read_texts(BASELINE, test_pairs, "answer_base")}
    texts |= {system: read_texts(path, test_pairs, "answer_adapted") for system, path in ADAPTED.items()}
    texts["text_only"] = text_only_guesses(train_pairs, test_pairs)
    texts["majority"] = majority_guesses(train_pairs, test_pairs)
    others = {
        path.stem: read_texts(path, test_pairs, "answer_others") for path in sorted(OTHERS.glob("*.csv"))
    }

    scorer = BertScorer(encoder_named(settings.evaluate.scorer), torch.device("cpu"))
    use_threads_for(scorer.parameters)
    every = in_memory(
        lambda: scores_of_systems(test_pairs, texts | others, scorer),
        f"BERTScore's encoder {settings.evaluate.scorer}",
        "close other programs, or set evaluate.scorer to minilm in params.yaml where it is another",
    )
    scores = {system: every[system] for system in texts}
    draws, seed = settings.evaluate.bootstrap_draws, settings.evaluate.seed
    metrics, intervals = judgement(test_pairs, scores, draws, seed)
    metrics["others"] = {name: summary(test_pairs, every[name]) for name in others}
    metrics["scorer"] = bertscore.description(settings.evaluate.scorer)
    intervals["judged"] = {path.as_posix(): sha256_of(path) for path in (ADAPTER, TRAIN, TEST)}

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


def score_file(path: Path, other: Path | None) -> None:
    """Print the scores of somebody's predictions as JSON, and nothing else, on standard output.

    With `other`, another system's predictions for the same rows: both scores and the difference.
    """
    evaluate = load_settings().evaluate
    scorer = BertScorer(encoder_named(evaluate.scorer), torch.device("cpu"))
    use_threads_for(scorer.parameters)
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
