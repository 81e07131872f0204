"""DVC experiments: run and read back. No other file depends on DVC's commands and queue."""

import re
import shlex
import subprocess
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import dvc.api
from dvc.repo import Repo
from hydra.core.override_parser.types import Quote, QuotedString

from vqa.core.errors import InputError
from vqa.core.progress import progress_bar

_STARTS = 5  # in a row that change nothing; a worker takes seconds to take up its first task


def names(rev: str) -> dict[str, str]:
    """Experiments that ran from the commit `rev`: name → revision."""
    with (
        Repo() as repo
    ):  # dvc.api.exp_show raises while a killed worker's task is unended; this reads only git
        listed = repo.experiments.ls(rev=commit(rev))
    return {name: sha for of_commit in listed.values() for name, sha in of_commit}


def commit(rev: str) -> str:
    """The short hash of a commit."""
    return _output("git", "rev-parse", "--short", rev).strip()


def check_committed() -> None:
    """Check that all but `results/` is committed: an experiment runs the commit that its name has.

    Raises:
        InputError: tracked files were changed.
    """
    status = _output("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
    changed = status.splitlines()
    if changed:
        raise InputError(
            f"{changed[0][3:]} and {len(changed) - 1} more files have changes; git commit -am MESSAGE keeps "
            "them, git checkout . && dvc checkout takes them back"
        )


def check_not_shallow() -> None:
    """Check the clone: in a shallow one DVC's copies end with success and record nothing (3.67.1).

    Raises:
        InputError: this is one.
    """
    if _output("git", "rev-parse", "--is-shallow-repository").strip() == "true":
        raise InputError(
            "this clone is shallow, and DVC would record no experiment of it; run git fetch --unshallow first"
        )


def check_recorded(wanted: Collection[str]) -> None:
    """Check that every experiment was recorded: DVC can end with success and keep nothing.

    Raises:
        InputError: one is not among those that ran from HEAD.
    """
    if lost := sorted(set(wanted) - names("HEAD").keys()):
        raise InputError(
            f"{len(lost)} of {len(wanted)} experiments ended well and are not recorded, first {lost[0]}; "
            "docs/dvc.md says what may have happened"
        )


def run_in_turn(wanted: Mapping[str, Mapping[str, Any]], logs: Path) -> dict[str, str]:
    """Run experiments one after the other: name → settings to change.

    Each runs in a copy of the commit, so that files here may be changed meanwhile. What it prints is in
    `logs`, a file each.

    Returns:
        For each that failed why, by name.
    """
    failed: dict[str, str] = {}
    logs.mkdir(parents=True, exist_ok=True)
    with progress_bar(len(wanted), "experiment", "running", is_shown=bool(wanted)) as progress:
        for name, changes in wanted.items():
            with (logs / f"{name}.log").open("w+", encoding="utf-8") as log:
                done = subprocess.run(
                    _experiment(name, changes, "--temp"), stdout=log, stderr=log, check=False
                )
                log.seek(0)
                if done.returncode:
                    failed[name] = _reason(log.read())
            progress.update()
    return failed


def run_in_queue(
    wanted: Mapping[str, Mapping[str, Any]], jobs: int, wait: Callable[[], None]
) -> dict[str, str]:
    """Run experiments by the workers of DVC's queue, `jobs` at a time.

    `wait` passes the time between two checks. Interrupted, the workers go on; dvc queue stop --kill ends
    them.

    Returns:
        For each that failed where DVC says why, by name.

    Raises:
        InputError: to DVC one of them runs already, or no worker takes one up.
    """
    _queue(wanted)
    before: dict[str, str] = {}
    starts = 0
    with progress_bar(len(wanted), "experiment", "running", is_shown=bool(wanted)) as progress:
        while True:
            by_name = {name: state for name, state in states().items() if name in wanted}
            ended = [name for name, state in by_name.items() if state in ("Success", "Failed")]
            progress.update(len(ended) - progress.n)
            if len(ended) == len(wanted):
                return {name: f"dvc queue logs {name}" for name in ended if by_name[name] == "Failed"}
            if "Running" not in by_name.values():  # not begun, or the worker left while tasks were waiting
                starts = starts + 1 if by_name == before else 1
                if starts > _STARTS:
                    raise InputError(
                        f"DVC's worker takes up no experiment in {_STARTS} starts; its log, "
                        ".dvc/tmp/exps/celery/dvc-exp-worker-1.out, says why"
                    )
                _dvc("queue", "start", "--jobs", str(jobs))
            before = by_name
            wait()


def _queue(wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Put experiments into the queue. One that waits there is not put twice."""
    tasks = states()
    if running := [name for name in wanted if tasks.get(name) == "Running"]:
        raise InputError(
            f"to DVC's queue {running[0]} runs; wait for it, or, if its worker was killed, "
            "rm -r .dvc/tmp/exps/celery, which empties the queue and loses no experiment"
        )
    todo = {name: wanted[name] for name in wanted if tasks.get(name) != "Queued"}
    if ended := [name for name in todo if name in tasks]:  # an earlier try, whose end would be taken for this
        _dvc("queue", "remove", *ended)
    with progress_bar(len(todo), "experiment", "queueing", is_shown=bool(todo)) as progress:
        for name, changes in todo.items():
            _output(*_experiment(name, changes, "--queue"))
            progress.update()


def _experiment(name: str, changes: Mapping[str, Any], how: str) -> list[str]:
    """DVC's command; up to evaluate, since speed is measured where nothing runs beside it."""
    settings = [f"--set-param={key}={_override(value)}" for key, value in changes.items()]
    return ["dvc", "exp", "run", how, "--name", name, *settings, "evaluate"]


def states() -> dict[str, str]:
    """Of every task in the queue: name → Queued, Running, Success or Failed."""
    with Repo() as repo:  # dvc.api has no queue; this is what `dvc queue status` prints
        return {task["name"]: task["status"] for task in repo.experiments.celery_queue.status()}


def committed(path: str, rev: str) -> str:
    """A file that git keeps, as commit or experiment `rev` left it."""
    return _output("git", "show", f"{rev}:{path}")


def kept(path: str, rev: str) -> str:
    """A file that DVC keeps, as commit or experiment `rev` left it."""
    text: str = dvc.api.read(path, rev=rev, encoding="utf-8")
    return text


def _override(value: Any) -> str:
    """As the grammar of Hydra has it, which DVC reads `-S` with: ['attention','mlp'], null, 0.001.

    Texts are quoted, so that blanks, commas and braces are letters; a backslash keeps OmegaConf from filling
    in "${".
    """
    if isinstance(value, list):
        return f"[{','.join(map(_override, value))}]"
    if isinstance(value, str):
        literal = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
        return QuotedString(literal, Quote.single).with_quotes()
    return "null" if value is None else str(value)


def _dvc(*arguments: str) -> str:
    return _output("dvc", *arguments)


def _output(*command: str) -> str:
    # Files, not pipes: the worker that `dvc queue start` leaves behind keeps its streams open.
    with TemporaryFile("w+") as printed, TemporaryFile("w+") as problems:
        done = subprocess.run(command, stdout=printed, stderr=problems, check=False)
        printed.seek(0)
        problems.seek(0)
        if done.returncode:
            raise InputError(f"{shlex.join(command)} failed: {_reason(problems.read())}")
        return printed.read()


def _reason(problems: str) -> str:
    """What a command gave as its error, a stage's own first; DVC writes where to ask for help below it."""
    lines = [line.strip() for line in problems.splitlines() if line.strip()]
    stages = [line for line in lines if line.startswith("error: ")]  # DVC's own error below says only which
    errors = [line for line in lines if line.startswith(("ERROR: ", "fatal: "))]
    return "".join((stages or errors or lines)[-1:]).removeprefix("ERROR: ").removeprefix("error: ")
