"""SHA-256 of large or many files, read again only where size, time or inode say that they changed."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from vqa.foundation.durable import durable_folder
from vqa.foundation.files import sha256_of

_SETTLED = (
    2_000_000_000  # ns; a younger file may change again within the clock's grain, and is not remembered
)
_Known = tuple[int, int, int, str]  # size, time in ns, inode, SHA-256


class KnownHashes:
    """Hashes of one kind of file, remembered in the durable folder: of weights, say, or pictures.

    Size, time and inode are what DVC and git go by, too. `digest` reads a file, where not all of it counts.
    """

    def __init__(self, kind: str, digest: Callable[[Path], str] = sha256_of) -> None:
        self._digest = digest
        self._memory = durable_folder("hashes") / f"{kind}.jsonl"
        self._known = dict(_read(self._memory))
        self._has_new = False

    def sha256_of(self, path: Path) -> str:
        """As `files.sha256_of`, or what `digest` makes of the file."""
        found, name = path.stat(), str(path.absolute())
        stamp = found.st_size, found.st_mtime_ns, found.st_ino
        known = self._known.get(name)
        if known and known[:3] == stamp:
            return known[3]
        digest = self._digest(path)
        self.remember(path, found, digest)
        return digest

    def remember(self, path: Path, status: os.stat_result, digest: str) -> None:
        """Take a digest that is known otherwise; `status` is the file's from before it was read."""
        if time.time_ns() - status.st_mtime_ns > _SETTLED:
            stamp = status.st_size, status.st_mtime_ns, status.st_ino
            self._known[str(path.absolute())] = (*stamp, digest)
            self._has_new = True

    def keep(self) -> None:
        """Remember what was read; where that cannot be written, it is read again."""
        if not self._has_new:
            return
        temporary = self._memory.with_name(f"{self._memory.name}.{os.getpid()}.tmp")  # runs beside each other
        with suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps([name, *known]) + "\n" for name, known in self._known.items())
            temporary.replace(self._memory)


def _read(memory: Path) -> Iterator[tuple[str, _Known]]:
    with suppress(OSError, ValueError), memory.open(encoding="utf-8") as lines:
        for line in lines:
            name, size, changed, inode, digest = json.loads(line)
            yield name, (size, changed, inode, digest)
