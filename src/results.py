"""Print the results table of the last evaluation.

    python src/results.py

In: metrics/evaluate.json. Out: the table on standard output, and how much of the gain is format.
"""

from pathlib import Path

from vqa.errors import InputError, run_command
from vqa.files import read_json
from vqa.report import format_sentence, results_table

METRICS = Path("metrics/evaluate.json")


def run() -> None:
    if not METRICS.is_file():
        raise InputError(f"{METRICS} is missing; run dvc repro first")
    metrics = read_json(METRICS)
    print(results_table(metrics))
    print(format_sentence(metrics))


if __name__ == "__main__":
    run_command(run)
