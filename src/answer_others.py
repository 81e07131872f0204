"""Let other models answer the held-out questions, zero-shot: pairs → predictions.

    python src/answer_others.py
    torchrun --nproc-per-node 8 src/answer_others.py      # or params.yaml: run.launcher

In: data/vqa/test.csv, the pictures at data.root, the models that params.yaml names in zero_shot.models. Out:
data/predictions/others/<model>.csv, one a model, in the schema of the others, and models.json, their names;
evaluate scores them. Killed, the next run continues.
"""

import re
import shutil
from pathlib import Path

from vqa.catalogue.stamp import tree_of
from vqa.foundation.devices import default_device, join_processes, leave_processes, rank_and_world
from vqa.foundation.durable import durable_folder
from vqa.foundation.errors import run_stage
from vqa.foundation.files import sha256_of, write_json
from vqa.foundation.unfinished import Unfinished, held
from vqa.inference.other_models import key_of, refuse_equal_titles, texts_of_other, title_of
from vqa.pairs.pair import read_pairs
from vqa.pairs.predictions import write_predictions
from vqa.settings import load_settings

TEST = Path("data/vqa/test.csv")
OUT = Path("data/predictions/others")


def run() -> None:
    settings = load_settings()
    pairs = read_pairs(TEST)
    root, max_new_tokens = tree_of(settings.data.root), settings.decoding.max_new_tokens
    device = default_device()
    join_processes()
    refuse_equal_titles(settings.zero_shot.models)
    run_of = {"pairs": sha256_of(TEST), "max_new_tokens": max_new_tokens, "root": root}
    kept = {
        other: Unfinished(durable_folder("answers"), key_of(other) | run_of)
        for other in settings.zero_shot.models
    }
    is_first = rank_and_world()[0] == 0
    with held([unfinished.folder for unfinished in kept.values()], is_first):
        texts = {
            title_of(other): texts_of_other(other, pairs, root, max_new_tokens, device, unfinished)
            for other, unfinished in kept.items()
        }
        if is_first:
            shutil.rmtree(OUT, ignore_errors=True)
            OUT.mkdir(parents=True)
            for title, said in texts.items():
                file = f"{re.sub(r'[^A-Za-z0-9.-]+', '_', title.strip('/'))}.csv"
                write_predictions(OUT / file, pairs, said)
            for unfinished in kept.values():
                unfinished.remove()
            write_json(OUT / "models.json", list(texts))  # also of none: DVC warns of an empty folder
            print(f"{len(texts)} other models answered; zero_shot.models in params.yaml names them")
    leave_processes()


if __name__ == "__main__":
    run_stage(run)
