"""CSV files: anyone's come in, row by row with line numbers; ours go out safe to open in a spreadsheet.

Everything is text: "NA" and "None" are answers, never missing values.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqa.errors import InputError
from vqa.files import whole_file

# A spreadsheet runs a cell that begins so as a formula; a leading quote makes it text. Quotes already
# there get one more, so that taking one away gives the cell back. https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


@dataclass(frozen=True)
class Malformed:
    """A row that does not fit its header."""

    line: int  # of the file, from 1
    problem: str


@dataclass(frozen=True)
class Table:
    """A CSV: its columns, one dictionary a row, and the rows that could not be read."""

    columns: list[str]
    rows: list[dict[str, str]]
    malformed: list[Malformed]


def read_table(path: Path) -> Table:
    """Cells are stripped; empty lines are skipped; a short row's missing cells are empty.

    Raises:
        InputError: no such file, not UTF-8, empty, a column twice, or a quote that never closes.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    columns: list[str] | None = None
    rows: list[dict[str, str]] = []
    malformed: list[Malformed] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            if columns is None or "unexpected end of data" in str(error):
                raise InputError(f"{path}, line {line}: {_quoting(error)}") from error
            malformed.append(Malformed(line, f"line {line}: {_quoting(error)}"))
            continue
        if columns is None:
            columns = _columns(path, cells)
        elif len(cells) > len(columns):
            counts = f"{len(cells)} cells where the header has {len(columns)}"
            malformed.append(Malformed(line, f"line {line}: {counts}: {','.join(cells)[:200]}"))
        elif any(cells):
            padded = cells + [""] * (len(columns) - len(cells))
            rows.append({name: _unescaped(cell.strip()) for name, cell in zip(columns, padded, strict=True)})
    if columns is None:
        raise InputError(f"{path} is empty; it needs a header such as image_name,question,answer")
    return Table(columns, rows, malformed)


def read_rows(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV that must have no malformed ones, such as our own.

    Raises:
        InputError: as `read_table`; a column of `required` is missing, or a row is malformed.
    """
    table = read_table(path)
    for name in required:
        if name not in table.columns:
            raise InputError(
                f"{path}: column {name} is missing; its header must have {','.join(required)}, but it is "
                f"{','.join(table.columns)}"
            )
    if table.malformed:
        raise InputError(f"{path}, {table.malformed[0].problem}; mend the row")
    return table.rows


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    with whole_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(_escaped, columns))
        writer.writerows([_escaped(row.get(name, "")) for name in columns] for row in rows)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; make it, or name another file in params.yaml") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a CSV file") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text; save the file as a UTF-8 CSV") from error


def _columns(path: Path, cells: list[str]) -> list[str]:
    names = [_unescaped(name.strip()) for name in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: column {twice!r} is there twice; rename one of them")
    return names


def _quoting(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return "a quote opens here and never closes; close it"
    return f"its quotes do not pair up ({error})"


def _escaped(cell: str) -> str:
    return "'" + cell if _FORMULA.match(cell) else cell


def _unescaped(cell: str) -> str:
    return cell[1:] if _ESCAPED.match(cell) else cell
