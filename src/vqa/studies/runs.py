"""DVC experiments: queued, run and read back. No other file depends on DVC's commands and queue."""

import hashlib
import re
import shlex
import subprocess
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any

import dvc.api
import psutil
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
    """Check that all but reports is committed: an experiment runs the commit that its name has.

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
    """Check the clone: in a shallow one DVC's queue ends with success and records nothing (3.67.1).

    Raises:
        InputError: this is one.
    """
    if _output("git", "rev-parse", "--is-shallow-repository").strip() == "true":
        raise InputError(
            "this clone is shallow, and DVC would record no experiment of it; run git fetch --unshallow first"
        )


def check_recorded(wanted: Collection[str]) -> None:
    """Check that every experiment was recorded: DVC's queue can end with success and keep nothing.

    Raises:
        InputError: one is not among those that ran from HEAD.
    """
    if lost := sorted(set(wanted) - names("HEAD").keys()):
        raise InputError(
            f"{len(lost)} of {len(wanted)} experiments ended well and are not recorded, first {lost[0]}; "
            f"dvc queue logs {lost[0]} and docs/dvc.md say what may have happened"
        )


def queue(wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Put experiments into DVC's queue: name → settings to change. One that waits there is not put twice."""
    _end_orphans()
    tasks = states()
    todo = {name: wanted[name] for name in wanted if tasks.get(name) not in ("Queued", "Running")}
    ended = [name for name in todo if name in tasks]
    if ended:  # an earlier try, whose end would be taken for this one's
        _dvc("queue", "remove", *ended)
    with progress_bar(len(todo), "experiment", "queueing", is_shown=bool(todo)) as progress:
        for name, changes in todo.items():
            settings = [f"--set-param={key}={_override(value)}" for key, value in changes.items()]
            # Up to evaluate: speed is measured where nothing runs beside it.
            _dvc("exp", "run", "--queue", "--name", name, *settings, "evaluate")
            progress.update()


def run_queue(wanted: set[str], jobs: int, wait: Callable[[], None]) -> list[str]:
    """Work through the queue and return the names of those of `wanted` that failed.

    `wait` passes the time between two checks. Interrupted, the workers go on; dvc queue stop --kill ends
    them.
    """
    if not wanted:
        return []
    before: dict[str, str] = {}
    starts = 0
    with progress_bar(len(wanted), "experiment", "running") as progress:
        while True:
            _end_orphans()
            by_name = states()
            ended = [name for name in by_name if name in wanted and by_name[name] in ("Success", "Failed")]
            progress.update(len(ended) - progress.n)
            if len(ended) == len(wanted):
                return [name for name in ended if by_name[name] == "Failed"]
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


def states() -> dict[str, str]:
    """Of every task in the queue: name → Queued, Running, Success or Failed."""
    with Repo() as repo:  # dvc.api has no queue; this is what `dvc queue status` prints
        return {task["name"]: task["status"] for task in repo.experiments.celery_queue.status()}


def _end_orphans() -> None:
    """Mark as failed each task whose worker was killed: to DVC it runs for ever.

    `dvc queue kill` cannot: it raises for a task killed before its process began, and after a restart it
    would kill whatever has the process's number now.
    """
    with Repo() as repo:
        tasks = repo.experiments.celery_queue
        if _is_worked(tasks):
            return
        for result, entry in tasks._iter_active_tasks():
            _end(tasks.proc.get(entry.stash_rev))
            tasks.celery.backend.mark_as_failure(result.id, None)


def _is_worked(tasks: Any) -> bool:
    """Whether a worker of this project's queue lives; `dvc queue status` counts a busy one as none."""
    node = f"dvc-exp-{hashlib.sha256(tasks.wdir.encode()).hexdigest()[:6]}-"  # as celery.py of DVC names it
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = process.cmdline()
            if "queue-worker" in command and any(part.startswith(node) for part in command):
                return True
    return False


def _end(process: Any) -> None:
    """Kill an experiment that outlived its worker, and the stage it runs."""
    with suppress(psutil.Error):
        if process and "exec-run" in (alive := psutil.Process(process.pid)).cmdline():
            for child in [*alive.children(recursive=True), alive]:
                child.kill()


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
    """What a command gave as its error; DVC writes where to ask for help below it."""
    lines = [line.strip() for line in problems.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR: ", "error: ", "fatal: "))]
    return "".join((errors or lines)[-1:]).removeprefix("ERROR: ")
