"""CSV files: anyone's are read row by row with line numbers; ours are written safe to open in a spreadsheet.

Everything is text: "NA" and "None" are answers, never missing values.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

from vqa.core.csv_records import Record, records, shown
from vqa.core.errors import InputError
from vqa.core.files import whole_file

# A spreadsheet runs a cell that begins so as a formula; a leading quote makes it text. A cell that has such
# quotes gets one more, so that removing one restores it. https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")
_LINE_BREAK = re.compile(r"\r\n?")
_DELIMITERS = ",;\t"
_SAID_DELIMITER = re.compile(r'"?sep=([,;\t|])"?\s*', re.IGNORECASE)  # Excel's own first line
_NAMELESS = re.compile(r"(Unnamed: \d+(\.\d+)*)?")  # as pandas writes a column without a name
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of such bytes
_UTF16 = re.compile(rb"\xff\xfe|\xfe\xff|[^\0]\0[^\0]\0|\0[^\0]\0[^\0]")


@dataclass(frozen=True)
class Malformed:
    """A row that does not fit its header."""

    line: int  # of the file, from 1
    problem: str


@dataclass(frozen=True)
class Lines:
    """Counts of a file's physical lines: `total` is the number read, and the sum of the next four."""

    total: int
    header: int  # with the line above it that names the separator
    blank: int
    parsed: int  # of rows; a quoted line break makes a row longer
    unreadable: int  # of rows that do not fit the header
    rows: int  # that the parsed lines make: far fewer where a stray quote took in several lines


@dataclass(frozen=True)
class Table:
    """A CSV: its columns, the cells of each row in their order, and the rows that could not be read."""

    columns: list[str]
    rows: list[list[str]]
    malformed: list[Malformed]
    lines: Lines
    long_rows: dict[int, int]  # number of a row, from 0 → its lines, where they are more than one


Needed = Callable[[Sequence[str]], Sequence[str]]  # columns of a file → those that no row of it can lack


def read_table(path: Path, known: Collection[str] = (), needed: Needed = lambda columns: columns) -> Table:
    """Anyone's CSV. Cells are stripped; empty lines are skipped; a short row's missing cells are empty.

    Semicolons and tabs separate as commas do, and Excel's first line "sep=;" is understood. Columns that
    hold nothing and have no name are dropped, and so is the index that pandas writes in front.

    Args:
        known: our spelling of columns: with "image_path", "Image Path" is read as that.
        needed: columns without which a line is no row by itself, if a quote above took it in.

    Raises:
        InputError: no such file, not UTF-8, empty, a header that cannot be read, or a column twice; a column
            of `needed` is missing.
    """
    return _read(path, known, needed)


def read_rows(
    path: Path,
    required: Sequence[str],
    known: Collection[str] | None = None,
    named: Mapping[str, str] | None = None,
    remedy: str = "",
) -> list[dict[str, str]]:
    """The rows of a CSV that must have no malformed ones.

    Args:
        known: as in `read_table`, for anyone's file; None: the file is ours and is read as it stands.
        named: our name of a column → what the file calls it.
        remedy: what to do where a column is missing.

    Raises:
        InputError: as `read_table`; a column of `required` is missing, or a row is malformed.
    """
    named = named or {}
    theirs = [named.get(name, name) for name in required]

    def needed(columns: Sequence[str]) -> Sequence[str]:
        return [name for name in theirs if name in columns]

    table = _read(path, [*(known or ()), *named.values()], None if known is None else needed)
    check_columns(path, table.columns, [*theirs, *named.values()], remedy)
    ours = {theirs: our for our, theirs in named.items()}
    columns = [ours.get(name, f"their {name}" if name in named else name) for name in table.columns]
    if table.malformed:
        others = len(table.malformed) - 1
        more = f", and {others} more" if others else ""
        raise InputError(f"{path}, {table.malformed[0].problem}; mend the row{more}")
    return [dict(zip(columns, cells, strict=True)) for cells in table.rows]


def check_columns(path: Path, columns: Sequence[str], required: Sequence[str], remedy: str = "") -> None:
    """All of `required` are there.

    Raises:
        InputError: the first that is not.
    """
    for name in required:
        if name not in columns:
            raise InputError(
                f"{path}: column {name} is missing; its header must have {','.join(required)}, but it is "
                f"{','.join(columns)[:200]}{remedy and '; ' + remedy}"
            )


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    with whole_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(_escaped, columns))
        writer.writerows([_escaped(row.get(name, "")) for name in columns] for row in rows)


@dataclass(frozen=True)
class _Columns:
    """A header: the columns with a name and their places."""

    names: list[str]
    places: list[int]  # of the names, among a row's cells
    index: int  # number of leading cells without a name, which are ignored
    needed: list[int]  # places of those that no row can lack

    @classmethod
    def of(cls, path: Path, cells: Sequence[str], known: Collection[str], needed: Needed) -> "_Columns":
        """The columns of a file whose header is `cells`.

        Raises:
            InputError: a column is there twice, or one of `needed` is not.
        """
        written = [_unescaped(cell) for cell in cells]
        places = [place for place, name in enumerate(written) if not _NAMELESS.fullmatch(name)]
        names = [written[place] for place in places]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{path}: column {twice!r} is there twice; rename one of them")
        names = _spelled(names, known)
        must_have = needed(names)
        check_columns(path, names, must_have)
        return cls(names, places, places[0] if places else 0, [places[names.index(of)] for of in must_have])

    def is_row(self, cells: Sequence[str]) -> bool:
        """Whether the cells of one line are a row; False for a single cell, which does not show it."""
        if min(len(self.names), len(cells)) < 2 or self.problem(cells):
            return False
        return all(place < len(cells) and cells[place] for place in self.needed)

    def problem(self, cells: Sequence[str]) -> str:
        """Why a row does not fit the header; "" if it does."""
        if len(cells) > len(self.places):
            used = [place for place, cell in enumerate(cells) if cell and place >= self.index]
            if not set(used) <= set(self.places):
                counts = f"{used[-1] + 1 - self.index} cells where the header has {len(self.names)}"
                return f"{counts}: {shown(','.join(cells))}"
        return ""

    def row(self, cells: Sequence[str]) -> list[str]:
        """The named cells; those that a short row lacks are empty."""
        return [_unescaped(cells[place]) if place < len(cells) else "" for place in self.places]


def _read(path: Path, known: Collection[str], needed: Needed | None) -> Table:
    """`needed` is None for a file of ours, whose commas and quotes need no guessing."""
    columns: _Columns | None = None
    rows: list[list[str]] = []
    malformed: list[Malformed] = []
    long_rows: dict[int, int] = {}
    lines: Counter[str] = Counter()
    with _opened(path) as file:
        source = _physical_lines(path, file, lines)
        delimiter, head = (",", []) if needed is None else _delimiter(source)
        lines["header"] = lines["total"] - len(head)
        first, is_ours = 1 + lines["header"], needed is None
        is_row = None if is_ours else lambda cells: columns is not None and columns.is_row(cells)
        for record in records(chain(head, source), delimiter, first, is_row):
            cells = [cell.strip() for cell in record.cells]
            problem = record.problem or (columns.problem(cells) if columns else "")
            if not is_ours and "\0" in "".join(cells):
                problem = f"a NUL character, which no text has; remove it: {shown(','.join(cells))}"
            if problem:
                kind = "unreadable"
                if columns is None:
                    raise InputError(f"{path}, line {record.line}: {problem}")
                malformed.append(Malformed(record.line, f"{_where(record)}: {problem}"))
            elif not any(cells):
                kind = "blank"
            elif columns is None:
                kind = "header"
                columns = _Columns.of(path, cells, known, needed or (lambda columns: ()))
            else:
                kind = "parsed"
                if record.lines > 1:
                    long_rows[len(rows)] = record.lines
                    cells = [_LINE_BREAK.sub("\n", cell) for cell in cells]
                rows.append(columns.row(cells))
            lines[kind] += record.lines
    if columns is None:
        raise InputError(f"{path} is empty; it needs a header such as image_name,question,answer")
    counted = {name: lines[name] for name in ("total", "header", "blank", "parsed", "unreadable")}
    return Table(columns.names, rows, malformed, Lines(**counted, rows=len(rows)), long_rows)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open("rb") as file:
            if _UTF16.match(file.read(4)):
                raise InputError(f"{path} is UTF-16 text (Excel's Unicode text); save it as a UTF-8 CSV")
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            yield lines
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; make it, or name another file in params.yaml") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a CSV file") from error


def _physical_lines(path: Path, file: TextIO, lines: Counter[str]) -> Iterator[str]:
    """The lines with their ends, counted in `lines["total"]`."""
    for line in file:
        lines["total"] += 1
        if not line.isascii() and _NOT_UTF8.search(line):
            others = sum(1 for rest in file if _NOT_UTF8.search(rest))
            more = f" (nor are {others} lines below)" if others else ""
            raise InputError(
                f"{path}, line {lines['total']}: not UTF-8 text{more}; save the file as a UTF-8 CSV"
            )
        yield line


def _delimiter(lines: Iterator[str]) -> tuple[str, list[str]]:
    """The delimiter, and the lines down to the header, with which the records begin."""
    head: list[str] = []
    for line in lines:
        stated = None if head else _SAID_DELIMITER.fullmatch(line)
        if stated:
            return stated[1], []
        head.append(line)
        if line.strip(f'{_DELIMITERS}" \r\n'):
            break
    header = head[-1][: csv.field_size_limit()] if head else ""

    def columns(delimiter: str) -> int:
        return len(next(csv.reader([header], delimiter=delimiter), []))

    return max(_DELIMITERS, key=columns), head


def _spelled(names: Sequence[str], known: Collection[str]) -> list[str]:
    """The columns with ours in our spelling: "Question" and "Image Path" mean question and image_path."""
    ours = {_letters(name): name for name in known}
    spelled: list[str] = []
    for name in names:
        our = ours.get(_letters(name), name)
        spelled.append(name if our in {*names, *spelled} else our)
    return spelled


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _where(record: Record) -> str:
    last = record.line + record.lines - 1
    return f"line {record.line}" if record.lines == 1 else f"lines {record.line}–{last}"


def _escaped(cell: str) -> str:
    if "\r" in cell:  # csv does not quote it, and reads it as the end of a row
        cell = _LINE_BREAK.sub("\n", cell)
    return "'" + cell if _FORMULA.match(cell) else cell


def _unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _ESCAPED.match(cell) else cell
