"""What was asked, answered and paid: append-only JSON lines, on disk before anything else happens.

An answer is looked up by the key of its request, so none is ever bought twice, whatever died in between.
"""

import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from vqa.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One settled request."""

    key: str  # hash of picture bytes, prompt, model and generation settings
    image_name: str
    outcome: str  # "answered", or the reason why there is no text
    text: str  # as the model wrote it
    finish_reason: str
    model_asked: str
    model_answered: str
    prompt_tokens: int
    output_tokens: int
    usd: float
    seconds: float
    attempts: int
    time: str  # ISO 8601, UTC


class Ledger:
    """The entries of one file; opening it repairs a last line that a crash tore."""

    def __init__(self, path: Path) -> None:
        """Read the file, or start an empty one.

        Raises:
            InputError: a line other than the last is not an entry.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry = Entry(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise InputError(
                    f"{path}, line {number} is no ledger entry; restore it (dvc checkout {path.parent}) "
                    "or delete that line, and only its request is asked again"
                ) from error
            self._entries[entry.key] = entry
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(len(whole))
        self._file.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def append(self, entry: Entry) -> None:
        """Write one entry; when this returns it is on disk."""
        line = json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._entries[entry.key] = entry

    def close(self) -> None:
        self._file.close()
