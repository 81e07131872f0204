"""Let other models answer the held-out questions, zero-shot: pairs → predictions.

    python src/answer_others.py
    torchrun --nproc-per-node 8 src/answer_others.py      # or params.yaml: run.launcher

In: data/vqa/test.csv, the images at data.root, the models that params.yaml names in zero_shot.models. Out:
data/predictions/others/<model>.csv, one a model, in the schema of the others, and models.json, their names;
evaluate scores them. Killed, the next run continues.
"""

import re
import shutil
from pathlib import Path

from vqa.catalogue.manifest import read_tree
from vqa.core.devices import default_device, join_processes, leave_processes, rank_and_world
from vqa.core.errors import run_stage
from vqa.core.files import sha256_file, write_json
from vqa.core.partial_results import PartialResults, lock_run
from vqa.core.state_dir import state_folder
from vqa.inference.other_models import answer_with_other_model, key_of, refuse_equal_titles, system_title
from vqa.pairs.pair import read_pairs
from vqa.pairs.predictions import write_predictions
from vqa.settings import load_settings

TEST = Path("data/vqa/test.csv")
OUT = Path("data/predictions/others")


def run() -> None:
    settings = load_settings()
    pairs = read_pairs(TEST)
    root, max_new_tokens = read_tree(settings.data.root), settings.decoding.max_new_tokens
    device = default_device()
    join_processes()
    refuse_equal_titles(settings.zero_shot.models)
    run_config = {"pairs": sha256_file(TEST), "max_new_tokens": max_new_tokens, "root": root}
    cached_results = {
        other: PartialResults(state_folder("answers"), key_of(other) | run_config)
        for other in settings.zero_shot.models
    }
    is_first = rank_and_world()[0] == 0
    with lock_run([partial_results.folder for partial_results in cached_results.values()], is_first):
        texts = {
            system_title(other): answer_with_other_model(
                other, pairs, root, max_new_tokens, device, partial_results
            )
            for other, partial_results in cached_results.items()
        }
        if is_first:
            shutil.rmtree(OUT, ignore_errors=True)
            OUT.mkdir(parents=True)
            for title, said in texts.items():
                file = f"{re.sub(r'[^A-Za-z0-9.-]+', '_', title.strip('/'))}.csv"
                write_predictions(OUT / file, pairs, said)
            for partial_results in cached_results.values():
                partial_results.remove()
            write_json(OUT / "models.json", list(texts))  # also of none: DVC warns of an empty folder
            print(f"{len(texts)} other models answered; zero_shot.models in params.yaml names them")
    leave_processes()


if __name__ == "__main__":
    run_stage(run)
