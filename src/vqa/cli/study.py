"""Run a study as DVC experiments, and write what it says.

    python src study run experiments/rank.yaml      # queue what is missing, run it, wait
    python src study report experiments/*.yaml      # reports/ablation.md, .html and curves

In: grids of experiments/, and the project as committed. `run`: an experiment for each combination, in DVC's
queue; data and features are not made again, and what ran already is not run again. `report`: from the
experiments of HEAD, or of --rev.
"""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from vqa.evaluation.bootstrap import Columns
from vqa.evaluation.systems import ADAPTED
from vqa.experiments import dvc_queue
from vqa.experiments.curve import curve
from vqa.experiments.grid import Grid, read_grid
from vqa.experiments.report import markdown, shown
from vqa.experiments.results import Result, Study, exact_matches
from vqa.foundation.command_line import command_line
from vqa.foundation.errors import InputError
from vqa.foundation.files import whole_file
from vqa.pages.page import page
from vqa.settings import PARAMS, load_settings

REPORTS = Path("reports")
PREDICTIONS = str(ADAPTED.answers)
_LOOK_EVERY = 20  # seconds; a look takes one or two

Grids = Annotated[list[Path], typer.Argument(metavar="GRID", help="files of experiments/")]


def run(files: Grids, jobs: Annotated[int, typer.Option(min=1, help="experiments at a time")] = 1) -> None:
    """Run every combination of the grids that has not run from this commit.

    Raises:
        InputError: a grid is wrong, the project is not committed, or experiments failed.
    """
    wanted = {name: changes for grid in _grids(files) for name, changes in grid.experiments().items()}
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
    """Write what the grids' experiments came to into reports/."""
    there = dvc_queue.names(rev)
    studies = []
    for grid in _grids(files):
        found = {name: changes for name, changes in grid.experiments().items() if name in there}
        if not found:
            raise InputError(
                f"no experiment of the grid {grid.name} ran from {rev}; python src study run "
                f"experiments/{grid.name}.yaml runs them"
            )
        results = [_result(there[name], rev, changes) for name, changes in found.items()]
        studies.append(Study(grid, results, curve(results, grid.name.replace("_", " "))))
    for study in studies:
        with whole_file(REPORTS / f"{study.grid.name}.svg") as file:
            file.write(study.curve)
    with whole_file(REPORTS / "ablation.md") as file:
        file.write(markdown(studies, dvc_queue.commit(rev)))
    with whole_file(REPORTS / "ablation.html") as file:
        file.write(page("ablation.html", shown(studies)))
    print(f"wrote {REPORTS}/ablation.md and ablation.html")


def _grids(files: list[Path]) -> list[Grid]:
    load_settings()
    params = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    return [read_grid(file, params) for file in files]


def _result(sha: str, rev: str, changes: dict[str, Any]) -> Result:
    """What experiment `sha` came to, beside the settings as committed in `rev`."""
    judged = dvc_queue.committed("metrics/details.json", sha)["systems"][ADAPTED.key]["all"]
    trained = dvc_queue.committed("metrics/train.json", sha)
    pairs, ours = exact_matches(dvc_queue.kept(PREDICTIONS, sha))
    reference, theirs = exact_matches(dvc_queue.kept(PREDICTIONS, rev))
    if [pair.key for pair in pairs] != [pair.key for pair in reference]:
        raise InputError(
            f"experiment {sha} answers other test pairs than {rev}; run it again from that commit"
        )
    settings = load_settings().evaluate
    columns = Columns(pairs)
    columns.add(ours - theirs)
    (difference,) = columns.bounds(settings.bootstrap_draws, settings.seed)
    return Result(
        changes=changes,
        exact_match=judged["exact_match"],
        ci95=judged["ci95"],
        difference=float((ours - theirs).mean()),
        difference_ci95=difference,
        validation=trained["best_val_exact_match"],
        parameters=trained["trainable_parameters"],
        pairs_per_second=trained["pairs_per_second"],
    )


app = command_line(__doc__, run, report)
