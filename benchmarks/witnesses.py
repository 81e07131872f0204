"""Whether the witnesses see wrong labels, and what that buys: some drawn pairs are given a wrong answer.

    python benchmarks/witnesses.py detection --project .
    python benchmarks/witnesses.py opinions --project .
    python benchmarks/witnesses.py meanings
    python benchmarks/witnesses.py training --project . --runs runs.jsonl --seeds 0 1 2

`project`: one whose pipeline has run; the drawn catalogue knows the truth. A wrong answer is another one of
the question's type. detection: share of the wrong labels found and of the right ones accused, by witness
and type, into metrics/verification/detection.json. opinions: the same with a second opinion whose errors
are known, from a local server through the real package and ledger, killed halfway; into opinions.json.
training: exact match on clean test pairs of adapters that learnt from corrupted ones, with and without
 those that verify disputes, into trained.json. A line is
written to `runs` after each training; started again, it goes on with what is missing.
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
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import numpy as np
from ruamel.yaml import YAML

import verify
from gemini_server import Behaviour, GeminiServer, Response, answer
from vqa.catalogue.abo import image_path
from vqa.foundation.csv_tables import read_rows
from vqa.foundation.files import sha256_of, write_json
from vqa.foundation.json_lines import whole_values
from vqa.foundation.seeded import generator_of, rank_of
from vqa.pairs.normal_form import exact_match, first_word
from vqa.pairs.pair import SPLITS, Pair, read_pairs, write_pairs
from vqa.pairs.predictions import read_texts
from vqa.pairs.verdicts import DISPUTED, UNKNOWN
from vqa.settings import load_settings
from vqa.stats.bootstrap import Columns
from vqa.verification.catalogue import of_root
from vqa.verification.hearing import heard
from vqa.verification.meanings import MEANINGS, Meanings
from vqa.verification.statement import CONTRADICTS, Statement

OUT = ROOT / "metrics/verification"
RATES = (0.0, 0.05, 0.1, 0.3)
TRAINED_AT = (0.1, 0.3)
ARMS = ("all", "undisputed")
ERRORS = (0.05, 0.2)  # of the simulated second opinion
LIKENESS = (0.3, 0.4, 0.5, 0.6, 0.7)
_PICTURES = 200  # that it is asked about
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
    chosen = sorted(name_of, key=lambda key: rank_of(seed, name_of[key]))[: round(rate * len(pairs))]
    wrong = set(chosen)

    def other(pair: Pair) -> str:
        return generator_of(seed, name_of[pair.key]).choice(
            sorted(answers[pair.question_type] - {pair.answer})
        )

    return [replace(pair, answer=other(pair)) if pair.key in wrong else pair for pair in pairs]


def detection() -> dict[str, Any]:
    """By rate, witness and question type: wrong and right labels it speaks on, and those that it accuses."""
    settings = load_settings()
    paid = settings.generate
    listed = of_root(settings.data.root, paid.languages, paid.max_listings_per_image)
    pairs = [pair for split in SPLITS for pair in read_pairs(Path(f"data/vqa/{split}.csv"))]
    found: dict[str, Any] = {}
    for rate in RATES:
        labelled = corrupted(pairs, rate, seed=0)
        is_wrong = [one.answer != other.answer for one, other in zip(labelled, pairs, strict=True)]
        limits = settings.verify
        hearing = heard(
            labelled, labelled, labelled, listed, {}, verify.similarities, limits.folds, limits.same_meaning
        )
        types = [pair.question_type for pair in pairs]
        witnesses: dict[str, Any] = {
            witness: _counted(said, is_wrong, types) for witness, said in hearing.witnesses.items()
        }
        verdicts = [
            Statement(CONTRADICTS if verdict.verdict == DISPUTED else verdict.verdict.replace("unknown", ""))
            for verdict in hearing.verdicts()
        ]
        found[f"{rate:g}"] = witnesses | {"verdict": _counted(verdicts, is_wrong, types)}
    return found


def _counted(
    said: Sequence[Statement], is_wrong: Sequence[bool], types: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Over all and by question type: labels of each kind, those spoken on, those accused."""
    chosen: dict[str, Callable[[str], bool]] = {"all": lambda kind: True}
    chosen |= {kind: kind.__eq__ for kind in sorted(set(types))}
    return {
        name: {
            kind: {
                "n": len(of),
                "spoken_on": sum(bool(statement.says) for statement in of),
                "accused": sum(statement.says == CONTRADICTS for statement in of),
            }
            for kind, truth in (("wrong", True), ("right", False))
            for of in [
                [s for s, w, t in zip(said, is_wrong, types, strict=True) if w is truth and is_chosen(t)]
            ]
        }
        for name, is_chosen in chosen.items()
    }


def opinions(project: Path, error_rate: float) -> dict[str, Any]:
    """As `detection`, a tenth of `_PICTURES` pictures' labels wrong, with an opinion that errs so often."""
    every = {split: read_pairs(project / f"data/vqa/{split}.csv") for split in SPLITS}
    clean = [pair for pairs in every.values() for pair in pairs]
    names = sorted({pair.image_name for pair in clean}, key=lambda name: rank_of(0, name))[:_PICTURES]
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
        server.behaviour = _answering(said, {sha256_of(image_path(root, name)): name for name in names})
        command = [sys.executable, str(ROOT / "src/verify.py")]
        environment = os.environ | {"VQA_DURABLE": str(folder / "durable"), "GOOGLE_API_KEY": "none"}
        with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
            while len(server.received) < _PICTURES / 2 and process.poll() is None:
                time.sleep(0.01)
            process.kill()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        found = {(row["image_name"], row["question"]): row for row in read_rows(folder / verify.FOUND, [])}
        rows = [found[pair.key] for pair in clean]
        asked = len(server.received)
    is_wrong = [row["answer"] != pair.answer for row, pair in zip(rows, clean, strict=True)]
    types = [pair.question_type for pair in clean]
    spoken = {"verdict": ["" if row["verdict"] == UNKNOWN else row["verdict"] for row in rows]}
    spoken["verdict"] = [CONTRADICTS if says == DISPUTED else says for says in spoken["verdict"]]
    spoken |= {witness: [row[witness] for row in rows] for witness in ("catalogue", "second_opinion")}
    counted = {name: _counted(list(map(Statement, says)), is_wrong, types) for name, says in spoken.items()}
    return counted | {"requests": asked, "pictures": len(names)}


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


def _answering(said: Mapping[tuple[str, str], str], names: Mapping[str, str]) -> Behaviour:
    """A model that knows a picture by its bytes (SHA-256 → name) and has an answer to each question."""

    def behave(number: int, body: dict[str, Any]) -> Response:
        picture, prompt = body["contents"][0]["parts"]
        data = picture["inlineData"]["data"].replace("+", "-").replace("/", "_")
        name = names[hashlib.sha256(base64.urlsafe_b64decode(data)).hexdigest()]
        asked = re.findall(r"(?m)^(\d+)\. (.*)$", prompt["text"])
        return answer(json.dumps([{"question": int(n), "answer": said[name, text]} for n, text in asked]))

    return behave


def trained(project: Path, rate: float, arm: str, seed: int) -> dict[str, Any]:
    """One training on corrupted pairs and its answers, in a folder that shares pictures and features."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        by_split = {
            split: read_pairs(project / f"data/vqa/{split}.csv") for split in ("train", "val", "test")
        }
        noisy = corrupted([*by_split["train"], *by_split["val"]], rate, seed)
        by_split |= {"train": noisy[: len(by_split["train"])], "val": noisy[len(by_split["train"]) :]}
        _write_project(folder, project, by_split, {"train.seed": seed, "verify.train_on": arm})
        environment = os.environ | {"VQA_DURABLE": str(folder / "durable")}
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
    """These pairs beside the project's pictures and features, and git, which DVCLive wants.

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

    The interval is the paired bootstrap's, clustered by picture, of the mean over the seeds that ran in both
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
        columns = Columns(test)
        columns.add(means[ARMS[1]] - means[ARMS[0]], "mean")
        found[f"{rate:g}"] = {
            **{arm: round(float(mean.mean()), 4) for arm, mean in means.items()},
            "difference": round(float((means[ARMS[1]] - means[ARMS[0]]).mean()), 4),
            "ci95": columns.intervals(_DRAWS, 0)[0].ci95,
            "by_seed": [round(float((right[ARMS[1], s] - right[ARMS[0], s]).mean()), 4) for s in seeds],
        }
    return found


if __name__ == "__main__":
    main()
