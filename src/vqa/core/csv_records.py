"""Physical lines of a CSV → records, each with the lines that it spans; no line is lost to a stray quote.

An unclosed quote takes the rows below into its cell, up to the next quote in the file. Such a record is
undone: its first line is reported as unreadable, and the lines below are read by themselves.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

_UNCLOSED = "a quote opens here and never closes in this row; close it"


class Record(NamedTuple):
    """Cells, or the reason why there are none."""

    line: int  # its first line, from 1
    lines: int  # how many it spans
    cells: list[str]  # [] of an empty line
    problem: str = ""


class _Again:
    """An iterator of lines that can put lines back; `taken` are the lines of the record being read."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._back: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(line)
        return line

    def put_back_all_but_first(self) -> None:
        self._back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def records(
    lines: Iterable[str],
    delimiter: str,
    first_line: int,
    is_row: Callable[[Sequence[str]], bool] | None,
) -> Iterator[Record]:
    """The records of `lines`, which end as they do in the file; the first one with a cell is the header.

    Args:
        first_line: the number of the first of `lines` in its file.
        is_row: whether cells can be a row below the header, called only once the header has been yielded;
            None: a CSV writer wrote the file, so that every pair of quotes is a real one.
    """
    again = _Again(lines)
    reader = csv.reader(again, delimiter=delimiter, skipinitialspace=True, strict=True)
    style: _Style | None = None
    line = first_line
    while True:
        again.taken.clear()
        problem, cells = "", []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = _problem(error)
        taken = again.taken
        if style is None:
            header = "".join(cells).strip()
            style = _Style(delimiter, taken[0], cells, is_row or _is_no_row) if header else None
        elif len(taken) == 1:
            style.learn(taken[0], cells)
        elif problem or style.are_several(taken):
            again.put_back_all_but_first()
            problem, cells = _UNCLOSED, []
        if problem:
            problem = f"{problem}: {shown(taken[0])}"
        yield Record(line, len(taken), cells, problem)
        line += len(taken)


class _Style:
    """How a file writes a row on one line: how many cells it has, and whether blanks precede them."""

    def __init__(
        self, delimiter: str, line: str, header: Sequence[str], is_row: Callable[[Sequence[str]], bool]
    ) -> None:
        self._delimiter = delimiter
        self._is_row = is_row
        self._width = len(header)
        self._widths: set[int] = set()  # of the rows until now: some lack cells, some have extra empty ones
        self._blank = f"{delimiter} "
        self._is_spaced = self._blank in line

    def learn(self, line: str, cells: Sequence[str]) -> None:
        """Learn from a record that was read from one line."""
        if self._is_row(cells):
            self._widths.add(len(cells))
            if not self._is_spaced and self._blank in line and '"' not in line:
                self._is_spaced = True

    def are_several(self, lines: Sequence[str]) -> bool:
        """Whether lines that were read as one record are several records, the first with a stray quote.

        They are if a line inside the cell can be a row by itself. The last line also holds what follows the
        cell, so it counts only together with the first, and only if both have as many cells as rows of this
        file have. Prose is no row: a blank follows its commas.
        """
        if any(self._are_whole(self._split_cells(line)) for line in lines[1:-1]):
            return True
        *before, opened = next(self._reader(lines[0], is_strict=False))
        ends = [*before, *opened.split(self._delimiter)], self._split_cells(lines[-1])
        return all(self._are_whole(cells) and self._is_usual(len(cells)) for cells in ends)

    def _is_usual(self, width: int) -> bool:
        return not self._widths or width == self._width or width in self._widths

    def _are_whole(self, cells: Sequence[str]) -> bool:
        is_prose = not self._is_spaced and any(cell[:1].isspace() and cell.strip() for cell in cells)
        return not is_prose and self._is_row([cell.strip() for cell in cells])

    def _split_cells(self, line: str) -> list[str]:
        try:
            return next(self._reader(line, is_strict=True))
        except csv.Error:
            return []

    def _reader(self, line: str, is_strict: bool) -> Iterator[list[str]]:
        return csv.reader(
            [line], delimiter=self._delimiter, skipinitialspace=self._is_spaced, strict=is_strict
        )


def _is_no_row(_: Sequence[str]) -> bool:
    return False


def shown(text: str) -> str:
    """The beginning of a line, fit for a message and for a cell of one line."""
    return " ".join(text.replace("\0", "␀").split())[:200]


def _problem(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return _UNCLOSED
    if "field limit" in str(error):
        return f"a cell is longer than {csv.field_size_limit():,} letters; shorten it"
    return f"its quotes do not pair up ({error})"
