"""Whether the label checks find wrong labels, and what that gains: some drawn pairs get a wrong answer.

    python benchmarks/label_checks.py detection --project .
    python benchmarks/label_checks.py opinions --project .
    python benchmarks/label_checks.py meanings
    python benchmarks/label_checks.py training --project . --runs runs.jsonl --seeds 0 1 2

`project`: one whose pipeline has run; the drawn catalogue knows the truth. A wrong answer is another one of
the question's type. detection: share of the wrong labels found and of the right ones accused, by label check
and type, into results/label_checks/detection.json. opinions: the same with a second opinion whose errors
are known, from a local server through the real package and ledger, killed halfway; into opinions.json.
training: exact match on clean test pairs of adapters that learnt from corrupted ones, with and without
the conflicting ones, into trained.json. A line is written to `runs` after each training; started again, it
goes on with what is missing.
"""

import argparse
import base64
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("src", "models/recipes", "tests/helpers")]

import numpy as np
from ruamel.yaml import YAML

import verify
from gemini_server import Behaviour, GeminiServer, Response, answer
from vqa.catalogue.abo import MOST_LISTINGS, image_path
from vqa.core.csv_tables import read_rows
from vqa.core.files import sha256_file, write_json
from vqa.core.jsonl import whole_values
from vqa.core.seeding import seeded_generator, seeded_rank
from vqa.label_checks.checks import run_label_checks
from vqa.label_checks.listing import of_root
from vqa.label_checks.meanings import MEANINGS, Meanings
from vqa.label_checks.vote import CONTRADICTS, Vote
from vqa.pairs.answer_normalization import exact_match, first_word
from vqa.pairs.pair import CONFLICTING, SPLITS, UNCHECKED, Pair, read_pairs, write_pairs
from vqa.pairs.predictions import read_texts
from vqa.settings import load_settings
from vqa.stats.bootstrap import ClusterBootstrap

OUT = ROOT / "results/label_checks"
RATES = (0.0, 0.05, 0.1, 0.3)
TRAINED_AT = (0.1, 0.3)
ARMS = ("all", "not_conflicting")
ERRORS = (0.05, 0.2)  # of the simulated second opinion
LIKENESS = (0.3, 0.4, 0.5, 0.6, 0.7)
_IMAGES = 200  # that it is asked about
_DRAWS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("proof", choices=["detection", "opinions", "meanings", "training"])
    parser.add_argument("--project", type=Path, default=ROOT)
    parser.add_argument("--runs", type=Path, default=Path("runs.jsonl"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    project = arguments.project.resolve()
    OUT.mkdir(exist_ok=True)
    if arguments.proof == "detection":
        os.chdir(project)
        write_json(OUT / "detection.json", detection())
        return
    if arguments.proof == "opinions":
        write_json(OUT / "opinions.json", {f"{rate:g}": opinions(project, rate) for rate in ERRORS})
        return
    if arguments.proof == "meanings":
        write_json(OUT / "meanings.json", {kind: likeness(words) for kind, words in MEANINGS.items()})
        return
    runs = list(whole_values(arguments.runs.read_text())) if arguments.runs.exists() else []
    done = {(run["rate"], run["arm"], run["seed"]) for run in runs}
    for seed, rate, arm in itertools.product(arguments.seeds, TRAINED_AT, ARMS):
        if (rate, arm, seed) not in done:
            runs.append(trained(project, rate, arm, seed))
            with arguments.runs.open("a") as file:
                file.write(json.dumps(runs[-1]) + "\n")
            print({key: value for key, value in runs[-1].items() if key != "right"}, flush=True)
    write_json(OUT / "trained.json", summary(runs, read_pairs(project / "data/vqa/test.csv")))


def corrupted(pairs: Sequence[Pair], rate: float, seed: int) -> list[Pair]:
    """The same pairs, of which that share has another answer of its question's type."""
    answers: dict[str, set[str]] = {}
    for pair in pairs:
        answers.setdefault(pair.question_type, set()).add(pair.answer)
    name_of = {pair.key: "/".join(pair.key) for pair in pairs}
    chosen = sorted(name_of, key=lambda key: seeded_rank(seed, name_of[key]))[: round(rate * len(pairs))]
    wrong = set(chosen)

    def other(pair: Pair) -> str:
        return seeded_generator(seed, name_of[pair.key]).choice(
            sorted(answers[pair.question_type] - {pair.answer})
        )

    return [replace(pair, answer=other(pair)) if pair.key in wrong else pair for pair in pairs]


def detection() -> dict[str, Any]:
    """By rate, label check and question type: wrong and right labels it speaks on, and those that it
    accuses."""
    settings = load_settings()
    paid = settings.generate
    listed = of_root(settings.data.root, paid.languages, MOST_LISTINGS)
    pairs = [pair for split in SPLITS for pair in read_pairs(Path(f"data/vqa/{split}.csv"))]
    found: dict[str, Any] = {}
    for rate in RATES:
        labelled = corrupted(pairs, rate, seed=0)
        is_wrong = [one.answer != other.answer for one, other in zip(labelled, pairs, strict=True)]
        limits = settings.verify
        checks_run = run_label_checks(
            labelled, labelled, labelled, listed, {}, verify.similarities, limits.folds, limits.same_meaning
        )
        types = [pair.question_type for pair in pairs]
        checks: dict[str, Any] = {
            check: _counted(said, is_wrong, types) for check, said in checks_run.checks.items()
        }
        support_levels = [
            Vote(CONTRADICTS if support.support == CONFLICTING else support.support.replace("unknown", ""))
            for support in checks_run.support_levels()
        ]
        found[f"{rate:g}"] = checks | {"support": _counted(support_levels, is_wrong, types)}
    return found


def _counted(
    said: Sequence[Vote], is_wrong: Sequence[bool], types: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Over all and by question type: labels of each kind, those spoken on, those accused."""
    chosen: dict[str, Callable[[str], bool]] = {"all": lambda kind: True}
    chosen |= {kind: kind.__eq__ for kind in sorted(set(types))}
    return {
        name: {
            kind: {
                "n": len(of),
                "spoken_on": sum(bool(vote.says) for vote in of),
                "accused": sum(vote.says == CONTRADICTS for vote in of),
            }
            for kind, truth in (("wrong", True), ("right", False))
            for of in [
                [s for s, w, t in zip(said, is_wrong, types, strict=True) if w is truth and is_chosen(t)]
            ]
        }
        for name, is_chosen in chosen.items()
    }


def opinions(project: Path, error_rate: float) -> dict[str, Any]:
    """As `detection`, a tenth of `_IMAGES` images' labels wrong, with an opinion that errs so often."""
    every = {split: read_pairs(project / f"data/vqa/{split}.csv") for split in SPLITS}
    clean = [pair for pairs in every.values() for pair in pairs]
    names = sorted({pair.image_name for pair in clean}, key=lambda name: seeded_rank(0, name))[:_IMAGES]
    clean = [pair for pair in clean if pair.image_name in set(names)]
    said = {pair.key: pair.answer for pair in corrupted(clean, error_rate, seed=1)}
    with tempfile.TemporaryDirectory() as name, GeminiServer(latency=0.02) as server:
        folder = Path(name)
        labelled = {pair.key: pair for pair in corrupted(clean, 0.1, seed=0)}
        by_split = {
            split: [labelled[pair.key] for pair in pairs if pair.key in labelled]
            for split, pairs in every.items()
        }
        _write_project(folder, project, by_split, {}, server.url)
        root = folder / load_settings(folder / "params.yaml").data.root
        server.behaviour = _generation(said, {sha256_file(image_path(root, name)): name for name in names})
        command = [sys.executable, str(ROOT / "src/verify.py")]
        environment = os.environ | {"VQA_STATE_DIR": str(folder / "state"), "GOOGLE_API_KEY": "none"}
        with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
            while len(server.received) < _IMAGES / 2 and process.poll() is None:
                time.sleep(0.01)
            process.kill()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        found = {(row["image_name"], row["question"]): row for row in read_rows(folder / verify.FOUND, [])}
        rows = [found[pair.key] for pair in clean]
        asked = len(server.received)
    is_wrong = [row["answer"] != pair.answer for row, pair in zip(rows, clean, strict=True)]
    types = [pair.question_type for pair in clean]
    spoken = {"support": ["" if row["support"] == UNCHECKED else row["support"] for row in rows]}
    spoken["support"] = [CONTRADICTS if says == CONFLICTING else says for says in spoken["support"]]
    spoken |= {check: [row[check] for row in rows] for check in ("catalogue", "second_opinion")}
    counted = {name: _counted(list(map(Vote, says)), is_wrong, types) for name, says in spoken.items()}
    return counted | {"requests": asked, "images": len(names)}


def likeness(meanings: Meanings) -> dict[str, Any]:
    """How well MiniLM tells near words from others: of each, the share at or above each likeness."""
    words = sorted({*meanings.basic, *meanings.kinds})
    pairs = list(itertools.combinations(words, 2))
    found = np.array(verify.similarities([one for one, _ in pairs], [other for _, other in pairs]))
    is_near = np.array([meanings.are_near(one, other) for one, other in pairs])
    return {
        "near": int(is_near.sum()),
        "other": int((~is_near).sum()),
        **{
            f"{least:g}": [round(float((found[which] >= least).mean()), 4) for which in (is_near, ~is_near)]
            for least in LIKENESS
        },
    }


def _generation(said: Mapping[tuple[str, str], str], names: Mapping[str, str]) -> Behaviour:
    """A model that knows an image by its bytes (SHA-256 → name) and has an answer to each question."""

    def behave(number: int, body: dict[str, Any]) -> Response:
        image, prompt = body["contents"][0]["parts"]
        data = image["inlineData"]["data"].replace("+", "-").replace("/", "_")
        name = names[hashlib.sha256(base64.urlsafe_b64decode(data)).hexdigest()]
        asked = re.findall(r"(?m)^(\d+)\. (.*)$", prompt["text"])
        return answer(json.dumps([{"question": int(n), "answer": said[name, text]} for n, text in asked]))

    return behave


def trained(project: Path, rate: float, arm: str, seed: int) -> dict[str, Any]:
    """One training on corrupted pairs and its answers, in a folder that shares images and features."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        by_split = {
            split: read_pairs(project / f"data/vqa/{split}.csv") for split in ("train", "val", "test")
        }
        noisy = corrupted([*by_split["train"], *by_split["val"]], rate, seed)
        by_split |= {"train": noisy[: len(by_split["train"])], "val": noisy[len(by_split["train"]) :]}
        _write_project(folder, project, by_split, {"train.seed": seed, "verify.train_on": arm})
        environment = os.environ | {"VQA_STATE_DIR": str(folder / "state")}
        for stage in ("verify", "train", "answer_adapted"):
            command = [sys.executable, str(ROOT / "src" / f"{stage}.py")]
            subprocess.run(command, cwd=folder, check=True, env=environment, capture_output=True)
        test = read_pairs(project / "data/vqa/test.csv")
        texts = read_texts(folder / "data/predictions/lora.csv", test, "answer_adapted")
        right = [exact_match(first_word(text), pair.answer) for text, pair in zip(texts, test, strict=True)]
        left_out = (folder / "data/vqa/not_trained_on.csv").read_text().count("\n") - 1
        found = {"rate": rate, "arm": arm, "seed": seed, "left_out": left_out}
        return found | {
            "test": sum(right) / len(right),
            "right": "".join("01"[is_right] for is_right in right),
        }


def _write_project(
    folder: Path,
    project: Path,
    by_split: Mapping[str, Sequence[Pair]],
    changes: Mapping[str, Any],
    server: str = "",
) -> None:
    """These pairs beside the project's images and features, and git, which DVCLive wants.

    `changes` are settings by name ("train.seed"); with a `server` a second opinion is asked there.
    """
    params = YAML(typ="safe").load((project / "params.yaml").read_text())
    for key, value in changes.items():
        block, name = key.split(".")
        params[block][name] = value
    if server:
        params["generate"] |= {"api_endpoint": server, "requests_per_minute": 1e6, "tokens_per_minute": 1e9}
        params["generate"]["concurrency"] = 4
        params["verify"]["second_opinion"] = True
    YAML().dump(params, folder / "params.yaml")
    for path in (params["model"]["name"], params["data"]["root"], "data/features", "data/review"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to((project / path).resolve())
    vqa = folder / "data/vqa"
    vqa.mkdir()
    shutil.copy(project / "data/vqa/rejected.csv", vqa)
    for split in SPLITS:
        write_pairs(vqa / f"{split}.csv", by_split[split])
    write_pairs(vqa / "generated.csv", [pair for pairs in by_split.values() for pair in pairs])
    for git in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "start"]):
        who = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
        subprocess.run(["git", *who, *git], cwd=folder, check=True)


def summary(runs: Sequence[Mapping[str, Any]], test: Sequence[Pair]) -> dict[str, Any]:
    """By rate: each arm's mean exact match, the mean difference with its interval, and that of each seed.

    The interval is the paired bootstrap's, clustered by image, of the mean over the seeds that ran in both
    arms.
    """
    found: dict[str, Any] = {}
    for rate in sorted({run["rate"] for run in runs}):
        right = {
            (run["arm"], run["seed"]): np.array([int(digit) for digit in run["right"]], dtype=float)
            for run in runs
            if run["rate"] == rate
        }
        seeds = sorted(seed for arm, seed in right if arm == ARMS[0] and (ARMS[1], seed) in right)
        if not seeds:
            continue
        means = {arm: np.mean([right[arm, seed] for seed in seeds], axis=0) for arm in ARMS}
        columns = ClusterBootstrap(test)
        columns.add(means[ARMS[1]] - means[ARMS[0]], "mean")
        found[f"{rate:g}"] = {
            **{arm: round(float(mean.mean()), 4) for arm, mean in means.items()},
            "difference": round(float((means[ARMS[1]] - means[ARMS[0]]).mean()), 4),
            **columns.intervals(_DRAWS, 0)[0].bounds,
            "by_seed": [round(float((right[ARMS[1], s] - right[ARMS[0], s]).mean()), 4) for s in seeds],
        }
    return found


if __name__ == "__main__":
    main()
