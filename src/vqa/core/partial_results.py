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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

from vqa.core.files import locked
from vqa.core.jsonl import whole_values

_LOCK = "lock"


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

    def add(self, number: int, result: Any) -> None:
        """Keep a JSON-serialisable result."""
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Always a new file: the last line of an old one may be incomplete.
            self._file = (self.folder / f"{time.time_ns()}-{os.getpid()}.jsonl").open("w", encoding="utf-8")
        self._file.write(json.dumps([number, result], ensure_ascii=False) + "\n")
        self._file.flush()

    def remove(self) -> None:
        """All results are used: forget them."""
        if self._file is not None:
            self._file.close()
        remove_run(self.folder)
