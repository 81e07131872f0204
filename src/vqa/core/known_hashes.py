"""SHA-256 of large or many files, which are read again only if their size, time or inode changed."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from vqa.core.files import sha256_file
from vqa.core.state_dir import state_folder

_SETTLED = (
    2_000_000_000  # ns; a younger file may change again within the clock's grain, and is not remembered
)
_Known = tuple[int, int, int, str]  # size, time in ns, inode, SHA-256


class KnownHashes:
    """Hashes of one kind of file, remembered in the state folder: of weights, say, or images.

    DVC and git also compare size, time and inode. `digest` replaces the hash where not the whole file counts.
    """

    def __init__(self, kind: str, digest: Callable[[Path], str] = sha256_file) -> None:
        self._digest = digest
        self._memory = state_folder("hashes") / f"{kind}.jsonl"
        self._known = dict(_read(self._memory))
        self._has_new = False

    def sha256_file(self, path: Path) -> str:
        """As `files.sha256_file`, or what `digest` makes of the file."""
        status, name = path.stat(), str(path.absolute())
        stamp = status.st_size, status.st_mtime_ns, status.st_ino
        entry = self._known.get(name)
        if entry and entry[:3] == stamp:
            return entry[3]
        digest = self._digest(path)
        self._remember(name, status, digest)
        return digest

    def remember(self, path: Path, status: os.stat_result, digest: str) -> None:
        """Store a digest that was computed elsewhere; `status` is the file's from before it was read."""
        self._remember(str(path.absolute()), status, digest)

    def _remember(self, name: str, status: os.stat_result, digest: str) -> None:
        if time.time_ns() - status.st_mtime_ns > _SETTLED:
            stamp = status.st_size, status.st_mtime_ns, status.st_ino
            self._known[name] = (*stamp, digest)
            self._has_new = True

    def keep(self) -> None:
        """Write the hashes to disk; if that fails, the files are read again next time."""
        if not self._has_new:
            return
        temporary = self._memory.with_name(
            f"{self._memory.name}.{os.getpid()}.tmp"
        )  # several runs may write at once
        with suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps([name, *entry]) + "\n" for name, entry in self._known.items())
            temporary.replace(self._memory)


def _read(memory: Path) -> Iterator[tuple[str, _Known]]:
    with suppress(OSError, ValueError), memory.open(encoding="utf-8") as lines:
        for line in lines:
            name, size, changed, inode, digest = json.loads(line)
            yield name, (size, changed, inode, digest)
