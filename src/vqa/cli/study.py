"""Run a study as DVC experiments, and write what it says.

    python src study run experiments/seeds.yaml     # queue what is missing, run it, wait
    python src study report experiments/*.yaml      # reports/ablation.md and .html, every answer

In: grids of experiments/, and the project as committed. `run`: an experiment for each combination, in DVC's
queue; data and features are not made again, and what ran already is not run again. `report`: from the
experiments of HEAD, or of --rev.
"""

import json
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import typer
import yaml

from vqa.evaluation.systems import ADAPTED, BASE, System
from vqa.experiments import dvc_queue
from vqa.experiments.curve import curve
from vqa.experiments.grid import SEED, Grid, Value, committed_values, read_grid, share_of
from vqa.experiments.record import (
    Questions,
    Record,
    Run,
    exact_matches,
    questions_of,
    read_record,
    write_record,
)
from vqa.experiments.report import markdown, shown
from vqa.experiments.results import Study, results_of
from vqa.experiments.seeds import Bits
from vqa.foundation.command_line import command_line
from vqa.foundation.errors import InputError
from vqa.foundation.files import whole_file
from vqa.pages.page import page
from vqa.settings import PARAMS, load_settings

REPORTS = Path("reports")
EXPERIMENTS = Path("experiments")
SEEDS = EXPERIMENTS / "seeds.yaml"  # the settings as committed, trained from several seeds
TEST = "data/vqa/test.csv"
_LOOK_EVERY = 20  # seconds; a look takes one or two

Grids = Annotated[list[Path], typer.Argument(metavar="GRID", help="files of experiments/")]


def run(
    files: Grids,
    jobs: Annotated[int, typer.Option(min=1, help="experiments at a time")] = 1,
    share: Annotated[str, typer.Option(metavar="K/N", help="this host's part of N, K from 0")] = "0/1",
) -> None:
    """Run every combination of the grids, or this host's share, that has not run from this commit.

    Raises:
        InputError: a grid or the share is wrong, the project is not committed, or experiments failed.
    """
    combinations = {name: changes for grid in _grids(files) for name, changes in grid.experiments().items()}
    wanted = share_of(combinations, share)
    dvc_queue.check_committed()
    there = dvc_queue.names("HEAD")
    missing = {name: changes for name, changes in wanted.items() if name not in there}
    print(f"{len(wanted)} experiments; {len(wanted) - len(missing)} ran already")
    dvc_queue.queue(missing)
    failed = dvc_queue.run_queue(set(missing), jobs, lambda: time.sleep(_LOOK_EVERY))
    if failed:
        raise InputError(
            f"{len(failed)} of {len(missing)} experiments failed; dvc queue logs {failed[0]} says why of the "
            "first; mend it and run this again: what succeeded is kept"
        )


def report(
    files: Grids, rev: Annotated[str, typer.Option(help="the commit that the experiments ran from")] = "HEAD"
) -> None:
    """Write what the grids' experiments came to into reports/; other studies that stand there stay.

    Raises:
        InputError: of no grid an experiment ran from `rev`.
    """
    there = dvc_queue.names(rev)
    questions = questions_of(dvc_queue.kept(TEST, rev))
    base = _answers(BASE, rev, questions)
    committed = _committed(there, rev, questions)
    params = yaml.safe_load(dvc_queue.committed("params.yaml", rev))
    grids = _grids(files)
    ran = [grid for grid in grids if grid.experiments().keys() & there.keys()]
    for grid in (grid for grid in grids if grid not in ran):
        print(f"no experiment of {grid.name} ran from {rev}; python src study run GRID runs them")
    if not ran:
        raise InputError(f"no experiment of these grids ran from {rev}; run one, or name the commit by --rev")
    for grid in ran:
        runs, settings = _runs(grid, there, questions), committed_values(grid, params)
        record = Record(dvc_queue.commit(rev), settings, questions.groups, base, committed, runs)
        write_record(REPORTS / f"{grid.name}.json", record)
    studies = _recorded({*files, *EXPERIMENTS.glob("*.yaml")})
    for study in studies:
        if study.curve:
            with whole_file(REPORTS / f"{study.grid.name}.svg") as file:
                file.write(study.curve)
    with whole_file(REPORTS / "ablation.md") as file:
        file.write(markdown(studies))
    with whole_file(REPORTS / "ablation.html") as file:
        file.write(page("ablation.html", shown(studies)))
    print(f"wrote {REPORTS}/ablation.md and ablation.html: {', '.join(study.grid.name for study in studies)}")


def _recorded(files: Collection[Path]) -> list[Study]:
    """Every study of these grids whose record is there, by name."""
    recorded = sorted(path for path in files if (REPORTS / f"{path.stem}.json").is_file())
    return [study_of(grid, read_record(REPORTS / f"{grid.name}.json")) for grid in _grids(recorded)]


def _grids(files: list[Path]) -> list[Grid]:
    load_settings()
    params = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    return [read_grid(file, params) for file in files]


def study_of(grid: Grid, record: Record) -> Study:
    """What the grid's record says."""
    results = results_of(record)
    has_settings = bool(results[0].changes)
    drawn = curve(results, grid.title) if has_settings else ""
    return Study(grid, record, results, drawn)


def _runs(grid: Grid, there: Mapping[str, str], questions: Questions) -> list[Run]:
    """Those experiments of the grid that ran."""
    ran = {name: changes for name, changes in grid.experiments().items() if name in there}
    return [_run(there[name], changes, questions) for name, changes in ran.items()]


def _run(sha: str, changes: dict[str, Value], questions: Questions) -> Run:
    """What experiment `sha` came to."""
    trained = json.loads(dvc_queue.committed("metrics/train.json", sha))
    return Run(
        changes,
        _answers(ADAPTED, sha, questions),
        validation=trained["best_val_exact_match"],
        parameters=trained["trainable_parameters"],
        pairs_per_second=trained["pairs_per_second"],
    )


def _committed(there: Mapping[str, str], rev: str, questions: Questions) -> dict[int, Bits]:
    """The settings as committed in `rev`, from its own training seed and from those of SEEDS that ran."""
    params = yaml.safe_load(dvc_queue.committed("params.yaml", rev))
    revs = {params["train"]["seed"]: rev}
    for name, changes in _grids([SEEDS])[0].experiments().items():
        if name in there:
            revs.setdefault(changes[SEED], there[name])
    return {seed: _answers(ADAPTED, sha, questions) for seed, sha in sorted(revs.items())}


def _answers(system: System, sha: str, questions: Questions) -> Bits:
    """Which questions a system answered right in commit or experiment `sha`."""
    return exact_matches(dvc_queue.kept(str(system.answers), sha), questions, sha)


app = command_line(__doc__, run, report)
