"""Make an adapter's probabilities mean what they say.

    python src calibrate --adapter models/adapter-photos      # needs data/photos and its splits
    python src calibrate --adapter models/adapter/best --report results/calibration/drawings.json

In: params.yaml, the adapter with its model, data/vqa/val.csv and test.csv, their images below data.root. Out:
calibration.json beside the adapter, from validation alone, and a report on the test questions: expected
calibration error before and after, how many questions are answered with at least p, and how many of these are
right. `dvc repro train` fits the temperature of models/adapter/best itself: there it is only reported.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from vqa.catalogue.abo import image_path
from vqa.core.cli import command_line
from vqa.core.devices import default_device
from vqa.core.files import write_json
from vqa.core.progress import progress_bar
from vqa.inference.answerer import Answerer, with_adapter_model
from vqa.pairs.answer_normalization import exact_match
from vqa.pairs.pair import Pair, read_pairs
from vqa.scoring.calibration import (
    TEMPERATURES,
    UNCALIBRATED,
    Calibration,
    coverage_table,
    error_with_interval,
    fit,
    read_calibration,
    write_calibration,
)
from vqa.settings import load_settings

VAL, TEST = Path("data/vqa/val.csv"), Path("data/vqa/test.csv")
_OF_TRAIN = Path("models/adapter")  # DVC's own: what is written there makes its stage stale

Answered = tuple[NDArray[np.float64], NDArray[np.bool_]]  # log probabilities [n, TEMPERATURES], is right [n]


def run(
    adapter: Annotated[Path, typer.Option(metavar="FOLDER", help="in PEFT format")] = Path(
        "models/adapter-photos"
    ),
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="write the report as JSON")] = None,
) -> None:
    settings = with_adapter_model(adapter, load_settings())
    answerer = Answerer(settings, default_device(), adapter)
    if _OF_TRAIN.resolve() in adapter.resolve().parents:
        calibration = read_calibration(adapter)
    else:
        calibration = fit(*_answered(answerer, read_pairs(VAL), settings.data.root, "validation"))
        write_calibration(adapter, calibration)
    test = read_pairs(TEST)
    log_probabilities, is_right = _answered(answerer, test, settings.data.root, "test")
    measured = _report(calibration, log_probabilities, is_right, [pair.together for pair in test])
    if report:
        write_json(report, measured | {"adapter": adapter.as_posix()})
    _print(adapter, measured)


def _answered(answerer: Answerer, pairs: Sequence[Pair], root: Path, label: str) -> Answered:
    """In the order of `pairs`."""
    order = sorted(range(len(pairs)), key=lambda number: pairs[number].image_name)
    logs = np.zeros((len(pairs), len(TEMPERATURES)))
    is_right = np.zeros(len(pairs), dtype=bool)
    with progress_bar(len(pairs), "pair", label) as progress:
        for name, numbers in groupby(order, key=lambda number: pairs[number].image_name):
            members = list(numbers)
            texts = answerer.at_temperatures(image_path(root, name), [pairs[i].question for i in members])
            for i, (word, row) in zip(members, texts, strict=True):
                logs[i], is_right[i] = row, exact_match(word, pairs[i].answer)
            progress.update(len(members))
    return logs, is_right


def _report(
    calibration: Calibration,
    log_probabilities: NDArray[np.float64],
    is_right: NDArray[np.bool_],
    groups: Sequence[str],
) -> dict[str, Any]:
    before, after = (
        np.exp(log_probabilities[:, int(np.abs(np.array(TEMPERATURES) - temperature).argmin())])
        for temperature in (UNCALIBRATED.temperature, calibration.temperature)
    )
    return {
        "temperature": calibration.temperature,
        "at_least": calibration.at_least,
        "validation_questions": calibration.questions,
        "test_questions": len(is_right),
        "exact_match": round(float(is_right.mean()), 4),
        "mean_probability": {
            "before": round(float(before.mean()), 4),
            "after": round(float(after.mean()), 4),
        },
        "expected_calibration_error": {
            "before": error_with_interval(before, is_right, groups),
            "after": error_with_interval(after, is_right, groups),
        },
        "coverage": coverage_table(after, is_right),
    }


def _print(adapter: Path, report: dict[str, Any]) -> None:
    print(f"{adapter}: temperature {report['temperature']}, from {report['validation_questions']} questions")
    for when, error in report["expected_calibration_error"].items():
        print(f"expected calibration error {when}: {error['value']} [{error['low']}, {error['high']}]")
    print("at least   answered   right")
    for row in report["coverage"]:
        right = "–" if row["right"] is None else f"{row['right']:.1%}"
        print(f"{row['at_least']:>8}   {row['share']:>8.1%}   {right}")


app = command_line(__doc__, run)
