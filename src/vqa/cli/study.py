"""Run a study as DVC experiments, and write its report.

    python src study run configs/studies/seeds.yaml     # run what is missing
    python src study report configs/studies/*.yaml      # results/studies/ablation.md, .html
    python src study report GRID --out results/studies/photos    # of another catalogue

In: grids of configs/studies/, and the project as committed. `run`: an experiment for each combination, one
after the other, with what it prints in .state/studies, or, with --jobs above 1, in DVC's queue; data and
features are not made again, and what ran already is not run again. `report`: from the experiments of HEAD, or
of --rev.
"""

import csv
import io
import json
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from vqa.core.cli import command_line
from vqa.core.errors import InputError
from vqa.core.files import whole_file
from vqa.core.state_dir import state_folder
from vqa.evaluation.guesses import question_only_guesses
from vqa.evaluation.systems import BASELINE, LORA, ZERO_IMAGE, System
from vqa.overlays import read_yaml
from vqa.pages.page import page
from vqa.pairs.pair import ALSO_RIGHT, Pair, split_also_right
from vqa.pairs.predictions import is_right
from vqa.settings import PARAMS, load_settings
from vqa.stats.seeds import Bits
from vqa.studies import runs
from vqa.studies.curve import curve
from vqa.studies.grid import SEED, Grid, Value, committed_values, read_grid, select_share
from vqa.studies.report import markdown, shown
from vqa.studies.results import (
    Questions,
    Record,
    Run,
    Study,
    exact_matches,
    read_questions,
    read_record,
    read_results,
    write_record,
)

REPORTS = Path("results/studies")
EXPERIMENTS = Path("configs/studies")
SEEDS = EXPERIMENTS / "seeds.yaml"  # the settings as committed, trained from several seeds
TRAIN, TEST = "data/vqa/train.csv", "data/vqa/test.csv"
_CHECK_EVERY = 20  # seconds; a check takes one or two

Grids = Annotated[list[Path], typer.Argument(metavar="GRID", help="files of configs/studies/")]


def run(
    files: Grids,
    jobs: Annotated[int, typer.Option(min=1, help="experiments at a time")] = 1,
    share: Annotated[str, typer.Option(metavar="K/N", help="this host's part of N, K from 0")] = "0/1",
) -> None:
    """Run every combination of the grids, or this host's share, that has not run from this commit.

    Raises:
        InputError: a grid or the share is wrong, the project is not committed or a shallow clone, or
            experiments failed or were not recorded.
    """
    combinations = {name: changes for grid in _grids(files) for name, changes in grid.experiments().items()}
    wanted = select_share(combinations, share)
    runs.check_not_shallow()
    runs.check_committed()
    there = runs.names("HEAD")
    missing = {name: changes for name, changes in wanted.items() if name not in there}
    print(f"{len(wanted)} experiments; {len(wanted) - len(missing)} ran already")
    logs = state_folder("studies")
    if jobs == 1:
        failed = runs.run_in_turn(missing, logs)
    else:
        failed = runs.run_in_queue(missing, jobs, lambda: time.sleep(_CHECK_EVERY))
    recorded = runs.names("HEAD")  # an earlier try that outlived its study may have won the name
    if failed := {name: reason for name, reason in failed.items() if name not in recorded}:
        (first, reason), where = next(iter(failed.items())), f" ({logs})" if jobs == 1 else ""
        raise InputError(
            f"{len(failed)} of {len(missing)} experiments failed, first {first}: {reason}{where}; mend it "
            "and run this again: what succeeded is kept"
        )
    runs.check_recorded(missing)


def report(
    files: Grids,
    rev: Annotated[str, typer.Option(help="the commit that the experiments ran from")] = "HEAD",
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="a folder for each catalogue")] = REPORTS,
) -> None:
    """Write the results of the grids' experiments into results/studies/; other studies there stay.

    Raises:
        InputError: of no grid an experiment ran from `rev`.
    """
    there = runs.names(rev)
    params = read_yaml(runs.committed("params.yaml", rev))
    grids = _grids(files)
    ran = [grid for grid in grids if grid.experiments().keys() & there.keys()]
    for grid in (grid for grid in grids if grid not in ran):
        print(f"no experiment of {grid.name} ran from {rev}; python src study run GRID runs them")
    if not ran:
        raise InputError(f"no experiment of these grids ran from {rev}; run one, or name the commit by --rev")
    questions = read_questions(runs.kept(TEST, rev))
    reference = _reference(there, rev, params, questions)
    files = [*dict.fromkeys([*files, *EXPERIMENTS.glob("*.yaml")])]
    check_comparable(out, files, reference, {grid.name for grid in ran})
    for grid in ran:
        settings, ran_here = committed_values(grid, params), _runs(grid, there, questions)
        write_record(out / f"{grid.name}.json", replace(reference, settings=settings, runs=ran_here))
    studies = _recorded(out, files)
    for study in studies:
        if study.curve:
            with whole_file(out / f"{study.grid.name}.svg") as file:
                file.write(study.curve)
    with whole_file(out / "ablation.md") as file:
        file.write(markdown(studies))
    with whole_file(out / "ablation.html") as file:
        file.write(page("ablation.html", shown(studies)))
    print(f"wrote {out}/ablation.md and ablation.html: {', '.join(study.grid.name for study in studies)}")


def check_comparable(
    folder: Path, files: Collection[Path], reference: Record, written: Collection[str]
) -> None:
    """Check that the studies of one report are of the same images, model and test questions.

    `reference`: what the studies named in `written` are of, which replace those in the folder.

    Raises:
        InputError: the folder has a study of these grids that is of others.
    """
    for path in (folder / f"{file.stem}.json" for file in files):
        there = read_record(path) if path.is_file() else reference
        if path.stem not in written and there.groups != reference.groups:
            counts = [f"{sum(record.groups.values()):,}" for record in (there, reference)]
            raise InputError(
                f"{path} is of other test questions ({counts[0]}, these experiments of {counts[1]}), so that "
                f"its numbers do not stand beside theirs; report {path.stem} again from this commit too, or "
                "name a folder of their own with --out"
            )
        if (there.catalogue, there.model) != (reference.catalogue, reference.model):
            raise InputError(
                f"{path} is of {there.catalogue}, {there.model}, these experiments of {reference.catalogue}, "
                f"{reference.model}; name a folder of their own with --out"
            )


def _recorded(folder: Path, files: Collection[Path]) -> list[Study]:
    """Every study of these grids whose record is in the folder, by name."""
    recorded = sorted(path for path in files if (folder / f"{path.stem}.json").is_file())
    return [load_study(grid, read_record(folder / f"{grid.name}.json")) for grid in _grids(recorded)]


def _grids(files: list[Path]) -> list[Grid]:
    load_settings()
    params = read_yaml(PARAMS.read_text(encoding="utf-8"))
    return [read_grid(file, params) for file in files]


def load_study(grid: Grid, record: Record) -> Study:
    """What the grid's record says."""
    results = read_results(record)
    has_settings = bool(results[0].changes)
    drawn = curve(results, grid.title) if has_settings else ""
    return Study(grid, record, results, drawn)


def _runs(grid: Grid, there: Mapping[str, str], questions: Questions) -> list[Run]:
    """Those experiments of the grid that ran."""
    ran = {name: changes for name, changes in grid.experiments().items() if name in there}
    return [_run(there[name], changes, questions) for name, changes in ran.items()]


def _run(sha: str, changes: dict[str, Value], questions: Questions) -> Run:
    """What experiment `sha` came to."""
    trained = json.loads(runs.committed("metrics/train.json", sha))
    return Run(
        changes,
        _answers(LORA, sha, questions),
        validation=trained["best_val_exact_match"],
        parameters=trained["trainable_parameters"],
        pairs_per_second=trained["pairs_per_second"],
    )


def _reference(there: Mapping[str, str], rev: str, params: Mapping[str, Any], questions: Questions) -> Record:
    """What stands beside the runs of every grid: a record without them."""
    seeds = _seeds(there, rev, params)
    return Record(
        commit=runs.commit(rev),
        catalogue=params["data"]["root"],
        model=params["model"]["name"],
        settings={},
        groups=questions.groups,
        base=_answers(BASELINE, rev, questions),
        question_only=_question_only(rev, questions),
        committed={seed: _answers(LORA, sha, questions) for seed, sha in seeds.items()},
        zero_image={seed: _answers(ZERO_IMAGE, sha, questions) for seed, sha in seeds.items()},
        runs=[],
    )


def _seeds(there: Mapping[str, str], rev: str, params: Mapping[str, Any]) -> dict[int, str]:
    """Training seed → what ran the settings as committed with it: `rev`, and those of SEEDS that ran."""
    revs = {params["train"]["seed"]: rev}
    for name, changes in _grids([SEEDS])[0].experiments().items():
        if name in there:
            revs.setdefault(changes[SEED], there[name])
    return dict(sorted(revs.items()))


def _question_only(rev: str, questions: Questions) -> Bits:
    """Which questions the question-only prior answers right."""
    train, test = (
        [
            Pair(
                row["image_name"],
                row["question"],
                row["answer"],
                also_right=split_also_right(row.get(ALSO_RIGHT) or ""),
            )
            for row in csv.DictReader(io.StringIO(runs.kept(path, rev)))
        ]
        for path in (TRAIN, TEST)
    )
    guesses = zip(test, question_only_guesses(train, test), strict=True)
    right = {pair.key: is_right(pair, guess) for pair, guess in guesses}
    return np.array([right[key] for key in questions.keys], dtype=bool)


def _answers(system: System, sha: str, questions: Questions) -> Bits:
    """Which questions a system answered right in commit or experiment `sha`."""
    return exact_matches(runs.kept(str(system.answers), sha), questions, sha)


app = command_line(__doc__, run, report)
