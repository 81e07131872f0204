"""DVC experiments: queued, run and read back. The only file that knows DVC's command line."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from tempfile import TemporaryFile
from typing import Any

import dvc.api
from tqdm import tqdm

from vqa.errors import InputError

_STATUS = re.compile(
    r"^(?P<task>[0-9a-f]{7,})\s+(?P<name>\S+)\s+.*\s(?P<state>Queued|Running|Success|Failed)$"
)


def names(rev: str) -> dict[str, str]:
    """Experiments that ran from the commit `rev`: name → revision."""
    listed = _dvc("exp", "list", "--rev", rev)
    return {name: sha for sha, name in re.findall(r"^\t(\w+) \[(\S+)\]", listed, re.MULTILINE)}


def commit(rev: str) -> str:
    """The short hash of a commit."""
    return _output("git", "rev-parse", "--short", rev).strip()


def check_committed() -> None:
    """An experiment is made of what is committed, so that its name says what ran.

    Raises:
        InputError: tracked files were changed.
    """
    changed = _output("git", "status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        raise InputError(
            f"{changed[0][3:]} and {len(changed) - 1} more files have changes; commit them first"
        )


def queue(wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Put experiments into DVC's queue: name → settings to change. One that waits there is not put twice."""
    waiting = {name for name, state in states().items() if state in ("Queued", "Running")}
    todo = {name: changes for name, changes in wanted.items() if name not in waiting}
    for name, changes in tqdm(todo.items(), unit="experiment", desc="queueing", disable=not todo):
        settings = [part for key, value in changes.items() for part in ("-S", f"{key}={_override(value)}")]
        _dvc("exp", "run", "--queue", "--name", name, *settings)


def run_queue(wanted: set[str], jobs: int, wait: Callable[[], None]) -> list[str]:
    """Work through the queue and return the names of those of `wanted` that failed.

    `wait` passes the time between two looks. Interrupted, the workers go on; dvc queue stop --kill ends them.
    """
    if not wanted:
        return []
    _dvc("queue", "start", "--jobs", str(jobs))
    with tqdm(total=len(wanted), unit="experiment", desc="running") as progress:
        while True:
            found = {name: state for name, state in states().items() if name in wanted}
            ended = [name for name, state in found.items() if state in ("Success", "Failed")]
            progress.update(len(ended) - progress.n)
            if len(ended) == len(wanted):
                return [name for name in ended if found[name] == "Failed"]
            wait()


def states() -> dict[str, str]:
    """Of every task in the queue: name → Queued, Running, Success or Failed; of several the newest."""
    lines = _dvc("queue", "status").splitlines()
    matches = filter(None, (_STATUS.match(line.strip()) for line in lines))
    found: dict[str, str] = {}
    for match in matches:
        found.setdefault(match["name"], match["state"])
    return found


def committed(path: str, rev: str) -> Any:
    """A JSON file that git keeps, as experiment `rev` left it."""
    return json.loads(_output("git", "show", f"{rev}:{path}"))


def kept(path: str, rev: str) -> str:
    """A file that DVC keeps, as experiment `rev` left it."""
    text: str = dvc.api.read(path, rev=rev, encoding="utf-8")
    return text


def _override(value: Any) -> str:
    """As Hydra's grammar has it: [attention,mlp], null, 0.001."""
    if isinstance(value, list):
        return f"[{','.join(value)}]"
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
            last = problems.read().strip().splitlines()[-1:]
            raise InputError(f"{' '.join(command)} failed: {' '.join(last)}")
        return printed.read()
