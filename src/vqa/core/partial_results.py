"""Partial results of a killed run, for the next run of the same settings.

Each run has a folder of its own, which is removed when the run ends. Other settings make another run: the
results of earlier settings stay until that run is finished or its folder is removed by hand. Two runs of the
same settings would write into one folder, so the first one locks it.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeVar

from vqa.core.devices import gathered, rank_and_world, wait_for_all
from vqa.core.files import locked
from vqa.core.jsonl import whole_values
from vqa.core.progress import progress_bar

_LOCK = "lock"
Result = TypeVar("Result")


def run_folder(parent: Path, run: Mapping[str, Any]) -> Path:
    """The folder below `parent` of the run that `run` (whatever decides its result) identifies."""
    key = hashlib.sha256(json.dumps(run, sort_keys=True, default=str).encode()).hexdigest()
    return parent / key[:16]


@contextmanager
def lock_run(folders: Iterable[Path], is_first: bool) -> Iterator[None]:
    """Lock the folders of these runs while the block lasts; a kill also ends the lock.

    Of the processes of one run only the first (`is_first`) holds the locks.

    Raises:
        InputError: another run works there.
    """
    with ExitStack() as locks:
        for folder in folders if is_first else ():
            locks.enter_context(closing(locked(folder / _LOCK)))
            locks.callback(_remove_if_bare, folder)
        yield


def _remove_if_bare(folder: Path) -> None:
    if folder.is_dir() and not _keeps_anything(folder):
        remove_run(folder)


def _keeps_anything(folder: Path) -> bool:
    return any(path.name != _LOCK for path in folder.iterdir())


def report_other_runs(folder: Path) -> None:
    """Name the partial results of other settings beside `folder`."""
    others = [
        path for path in folder.parent.glob("*") if path.is_dir() and path != folder and _keeps_anything(path)
    ]
    if others:
        print(
            f"{folder.parent} keeps {len(others)} unfinished run(s) of other settings; their settings "
            "continue them, and removing the folder forgets them"
        )


def remove_run(folder: Path) -> None:
    """Remove a finished run's folder, and the one around it when it was the last."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.is_dir() and not any(folder.parent.iterdir()):
        folder.parent.rmdir()


class PartialResults:
    """Numbered results of one run, kept as they come. Every process writes a file of its own."""

    def __init__(self, parent: Path, run: Mapping[str, Any]) -> None:
        """`run`: whatever decides the results, so that results of other runs are not used."""
        self.folder = run_folder(parent, run)
        self._file: TextIO | None = None

    def read(self) -> dict[int, Any]:
        """All results that are there, by number."""
        return dict(entry for path in sorted(self.folder.glob("*.jsonl")) for entry in whole_values(path))

    def add(self, results: Mapping[int, Any]) -> None:
        """Keep JSON-serialisable results by number."""
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Always a new file: the last line of an old one may be incomplete.
            self._file = (self.folder / f"{time.time_ns()}-{os.getpid()}.jsonl").open("w", encoding="utf-8")
        lines = (json.dumps([number, result], ensure_ascii=False) for number, result in results.items())
        self._file.write("".join(f"{line}\n" for line in lines))
        self._file.flush()

    def remove(self) -> None:
        """All results are used: forget them."""
        if self._file is not None:
            self._file.close()
        remove_run(self.folder)


def map_resumable(
    groups: Sequence[Sequence[int]],
    work: Callable[[list[list[int]]], Iterable[Mapping[int, Result]]],
    result_type: type[Result],
    partial_results: PartialResults | None,
    unit: str,
    label: str,
    is_shown: bool = True,
) -> list[Result]:
    """A result for each number in `groups`, in the order of the numbers; each process gets all.

    Groups are shared out among the processes that torchrun started. They are the same on any number of
    processes and after a kill, but for the numbers that `partial_results` has, which are left out.

    Args:
        groups: numbers that one process works on together; each number stands in one group.
        work: called once with this process's groups; yields results by number as they are finished.
        result_type: what results are, JSON-serialisable; kept entries of another type, which another version
            of the code left, are made again.
        unit: of the numbers, on the progress bar that `label` names.
    """
    rank, world = rank_and_world()
    kept = partial_results.read() if partial_results else {}
    results = {number: result for number, result in kept.items() if isinstance(result, result_type)}
    wait_for_all()  # all processes read the same results before one adds to them
    left = ([number for number in group if number not in results] for group in groups)
    mine = [group for group in left if group][rank::world]
    own_results: dict[int, Result] = {}
    done = len(results)
    with progress_bar(done + sum(map(len, mine)), unit, label, done, is_shown and rank == 0) as progress:
        for finished in work(mine):
            own_results |= finished
            if partial_results:
                partial_results.add(finished)
            progress.update(len(finished))
    for of_process in gathered(own_results):
        results |= of_process
    return [results[number] for number in sorted(number for group in groups for number in group)]
