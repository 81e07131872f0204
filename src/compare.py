"""Let other models answer the held-out questions, zero-shot: pairs → predictions.

    python src/compare.py

In: data/vqa/test.csv, the pictures at data.root, the models that params.yaml names in evaluate.compare. Out:
data/predictions/others/<model>.csv, one a model, in the schema of the others; evaluate scores them.
"""

import re
import shutil
from pathlib import Path

from vqa.devices import default_device
from vqa.errors import run_command
from vqa.others import texts_of_other
from vqa.pairs import read_pairs
from vqa.predictions import write_predictions
from vqa.settings import load_settings

TEST = Path("data/vqa/test.csv")
OUT = Path("data/predictions/others")


def run() -> None:
    settings = load_settings()
    pairs = read_pairs(TEST)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    for name in settings.evaluate.compare:
        texts = texts_of_other(
            name, pairs, settings.data.root, settings.evaluate.max_new_tokens, default_device()
        )
        write_predictions(OUT / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', name.strip('/'))}.csv", pairs, texts)
    print(
        f"{len(settings.evaluate.compare)} other models answered; evaluate.compare in params.yaml names them"
    )


if __name__ == "__main__":
    run_command(run)
