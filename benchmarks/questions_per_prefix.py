"""What it costs that the pairs of an image learn in one step: exact match by `train.questions_per_prefix`.

    python benchmarks/questions_per_prefix.py --project . --out questions_per_prefix.jsonl --seeds 0 1 2
    python benchmarks/questions_per_prefix.py --project photos --out photos.jsonl --arms 16x4 --epochs 3
    python benchmarks/questions_per_prefix.py --out questions_per_prefix.jsonl --table

Trains and answers in copies of a project whose data/vqa and data/features are made. A line is written after
each run; started again, it goes on with what is missing.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from ruamel.yaml import YAML

from vqa.core.jsonl import whole_values
from vqa.pairs.answer_normalization import first_word, normalize_answer
from vqa.pairs.predictions import read_predictions

# Pairs a step and, of one image, together: at five pairs an image 8 together are 5.
ARMS = [(4, 1), (4, 2), (4, 4), (8, 1), (8, 2), (8, 4), (8, 8)]


def measured(project: Path, batch_size: int, together: int, seed: int, epochs: int | None) -> dict[str, Any]:
    """One training and its answers, in a folder that shares data and models with `project`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        params = YAML(typ="safe").load((project / "params.yaml").read_text())
        changes = {"batch_size": batch_size, "micro_batch_size": batch_size, "seed": seed}
        params["train"] |= changes | {"questions_per_prefix": together}
        params["train"]["epochs"] = epochs or params["train"]["epochs"]
        YAML().dump(params, folder / "params.yaml")
        (folder / "models").mkdir()
        (folder / "data").mkdir()
        for path in (params["model"]["name"], "data/vqa", "data/features"):
            (folder / path).symlink_to((project / path).resolve())
        for git in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "start"]):  # DVCLive wants one
            who = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
            subprocess.run(["git", *who, *git], cwd=folder, check=True)
        for stage in ("train", "answer_adapted"):
            command = [sys.executable, str(ROOT / "src" / f"{stage}.py")]
            environment = os.environ | {"VQA_STATE_DIR": str(folder / "state")}
            subprocess.run(command, cwd=folder, check=True, env=environment, capture_output=True)
        trained = json.loads((folder / "metrics/train.json").read_text())
        found = read_predictions(folder / "data/predictions/lora.csv")
        pairs, texts = found.pairs, found.texts
        right = [
            normalize_answer(first_word(text)) == normalize_answer(pair.answer)
            for pair, text in zip(pairs, texts, strict=True)
        ]
        return {
            "batch_size": batch_size,
            "together": together,
            "seed": seed,
            "validation": trained["best_val_exact_match"],
            "test": sum(right) / len(right),
            "pairs_per_second": trained["pairs_per_second"],
        }


def _arm(text: str) -> tuple[int, int]:
    batch_size, _, together = text.partition("x")
    return int(batch_size), int(together)


def print_table(runs: list[dict[str, Any]]) -> None:
    """Mean and spread over the seeds, by arm, and the mean difference from 1 together at the same batch."""
    arms: dict[tuple[int, int], dict[int, dict[str, Any]]] = defaultdict(dict)
    for run in runs:
        arms[run["batch_size"], run["together"]][run["seed"]] = run
    print("| pairs a step | of an image together | seeds | validation | test | test − shuffled, by seed |")
    print("|---|---|---|---|---|---|")
    for (batch, together), of_seed in sorted(arms.items()):
        shuffled = arms.get((batch, 1), {})
        differences = [
            100 * (run["test"] - shuffled[s]["test"]) for s, run in of_seed.items() if s in shuffled
        ]
        said = ", ".join(f"{difference:+.1f}" for difference in differences) if together > 1 else ""
        means = [
            f"{100 * statistics.mean(run[split] for run in of_seed.values()):.1f}"
            for split in ("validation", "test")
        ]
        print(f"| {batch} | {together} | {len(of_seed)} | {' | '.join(means)} | {said} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", type=_arm, nargs="+", default=ARMS, metavar="BATCHxTOGETHER")
    parser.add_argument("--epochs", type=int, help="by default the project's")
    parser.add_argument("--table", action="store_true", help="print what is there")
    given = parser.parse_args()
    runs = list(whole_values(given.out)) if given.out.is_file() else []
    if given.table:
        print_table(runs)
        return
    done = {(run["batch_size"], run["together"], run["seed"]) for run in runs}
    for seed, (batch_size, together) in itertools.product(given.seeds, given.arms):
        if (batch_size, together, seed) not in done:
            run = measured(given.project, batch_size, together, seed, given.epochs)
            with given.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(run) + "\n")
            print(run, flush=True)


if __name__ == "__main__":
    main()
