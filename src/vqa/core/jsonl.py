"""Files of JSON objects or arrays, one a line, which survive a kill in the middle of a line.

`whole_values` reads what can be made again. `JsonLines` keeps what was paid for: each line is on disk once it
is written, and one process writes at a time.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, BinaryIO, TypeVar, cast

from vqa.core.errors import InputError
from vqa.core.files import locked

Values = dict[str, Any]  # of one line
Row = TypeVar("Row")
IsHeld = Callable[[bytes], bool]

_PIECE = 2048  # bytes; most lines are shorter


class JsonLines:
    """The lines of one file, in which a dataclass is kept. Safe to use from many threads.

    An incomplete last line, which a crash leaves, is skipped and cut off before the next is written. A
    complete last line without a line end, which an editor leaves, is read.

    Raises:
        InputError: a line is not of this dataclass, or the file was changed by hand meanwhile.
    """

    def __init__(self, path: Path, row: type, note: Callable[[Values, int], None]) -> None:
        """
        Args:
            note: called with every line that is read or written, in order, and where it begins.
        """
        self._path, self._row, self._note = path, row, note
        self._lock = threading.RLock()
        self._end = self._count = 0  # bytes and lines that were noted
        self._reader: BinaryIO | None = None
        self._writer: BinaryIO | None = None
        self._read()

    def line(self, at: int) -> bytes:
        """The line that begins at byte `at`, its end included."""
        with self._lock:
            descriptor = self._descriptor()
        line = b""
        while not line.endswith(b"\n"):
            piece = os.pread(descriptor, _PIECE, at + len(line))
            if not piece:
                if _parsed(line) is None:
                    raise self._changed()
                return line + b"\n"
            line += piece[: piece.find(b"\n") + 1 or None]
        return line

    def claim(self) -> None:
        """Become the only process that may write, until it ends; notes the lines that others wrote before.

        Raises:
            InputError: another one is writing.
        """
        with self._lock:
            if self._writer is not None:
                return
            file = locked(self._path)
            if os.fstat(file.fileno()).st_size < self._end:
                raise self._changed()
            self._read()
            file.truncate(self._end)
            self._writer = file
            if self._end and os.pread(self._descriptor(), 1, self._end - 1) != b"\n":
                file.write(b"\n")
                self._end += 1

    def append(self, values: Values) -> None:
        """Write one line; when this returns it is on disk. Claims the file if that was not done."""
        with self._lock:
            with self._synced() as file:
                at = self._put(file, _line(values))
            self._note(values, at)

    def merge_entries(
        self, other: Path, is_news: Callable[[Values, bytes], bool], is_held: IsHeld | None = None
    ) -> None:
        """Append the lines of another file for which `is_news` holds; if there are none, write nothing.

        Args:
            is_held: whether a line is here already, by its bytes, so that it need not be parsed.
        """

        def news() -> Iterator[tuple[Values, bytes]]:
            lines = whole_lines(other, self._row, is_held=is_held)
            return ((line.values, line.text) for line in lines if is_news(line.values, line.text))

        if any(True for _ in news()):
            with self._lock, self._synced() as file:
                for values, line in news():
                    self._note(values, self._put(file, line))

    def _descriptor(self) -> int:
        self._reader = self._reader or self._path.open("rb", buffering=0)
        return self._reader.fileno()

    def _read(self) -> None:
        for line in whole_lines(self._path, self._row, self._end, self._count):
            self._note(line.values, line.start)
            self._end = line.end
            self._count = line.number

    @contextmanager
    def _synced(self) -> Iterator[BinaryIO]:
        """All that the block writes to the file is on disk afterwards, or nothing of it."""
        self.claim()
        assert self._writer is not None
        before = self._end, self._count
        try:
            yield self._writer
            os.fsync(self._writer.fileno())
        except OSError:
            self._end, self._count = before
            self._writer.truncate(
                self._end
            )  # a full disk leaves half a line, after which no other may follow
            raise
        if os.fstat(self._writer.fileno()).st_size != self._end:  # what was written is kept; no more follows
            raise self._changed()

    def _put(self, file: BinaryIO, line: bytes) -> int:
        """Write a line; returns where it begins."""
        rest = memoryview(line)
        while rest:
            rest = rest[file.write(rest) :]
        self._end += len(line)
        self._count += 1
        return self._end - len(line)

    def _changed(self) -> InputError:
        return InputError(f"{self._path} was changed by something else meanwhile; run the same command again")


@dataclass(frozen=True)
class Line:
    values: Values
    text: bytes  # its end included
    start: int
    end: int  # where the next one begins
    number: int  # from 1


def whole_lines(
    path: Path, row: type, start: int = 0, count: int = 0, is_held: IsHeld | None = None
) -> Iterator[Line]:
    """Each line from byte `start` on, after the `count`th, that is whole, not blank and not held.

    A line may have more fields than `row`: those of a newer version.

    Raises:
        InputError: a line does not hold the fields of `row`.
    """
    if not path.exists():
        return
    needed = {field.name for field in fields(row) if field.default is MISSING}
    with path.open("rb") as file:
        file.seek(start)
        end = start
        for number, line in enumerate(file, start=count + 1):
            begin, end = end, end + len(line)
            text = line.removesuffix(b"\n") + b"\n"
            if not line.strip() or (is_held and is_held(text)):
                continue
            values = _parsed(line)
            if values is None or not needed <= values.keys():
                if not line.endswith(b"\n"):
                    return
                raise InputError(
                    f"{path}, line {number} is no ledger entry; delete that line, and at most its request is "
                    "asked again"
                )
            yield Line(values, text, begin, end, number)


def whole_values(path: Path) -> Iterator[Any]:
    """The object or array of each line; incomplete lines are skipped; nothing if there is no file."""
    if path.is_file():
        with path.open("rb") as lines:
            yield from (values for line in lines if (values := _parsed(line, dict | list)) is not None)


def row_of(row: type[Row], values: Values) -> Row:
    """The fields that `row` knows of a line."""
    names = {field.name for field in fields(cast(Any, row))}
    return row(**{name: value for name, value in values.items() if name in names})


def _parsed(line: bytes, kind: type | UnionType = dict) -> Any:
    """None for an incomplete line, since no beginning of an object or array is JSON."""
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return values if isinstance(values, kind) else None


def _line(values: Values) -> bytes:
    try:
        return json.dumps(values, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which a model may write and UTF-8 cannot hold
        return json.dumps(values).encode() + b"\n"
