"""The question-answer pair, its file, and the splits that a file of pairs is one of."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vqa.foundation.csv_tables import Lines, read_table, write_rows
from vqa.foundation.errors import InputError
from vqa.pairs.missing_values import is_missing

# Where a file may name its pictures, in order of preference.
IMAGE_COLUMNS = ("image_name", "full_image_path", "image_path", "image_id")
# Extra column of a row that did not fit its file's header: line and problem.
UNREADABLE = "unreadable_row"


SPLITS = ("train", "val", "test")
_FIELDS = ("image_name", "question", "answer", "question_type", "difficulty", "source")
_GROUP = "split_group"  # a column of split files only
_OPTIONAL = ("question_type", "difficulty", "source", _GROUP)
ALSO_RIGHT = "also_right"  # a column of files in which a pair has a second right answer
_KNOWN = frozenset((*_FIELDS, _GROUP, ALSO_RIGHT))
_BETWEEN = "|"  # several of them


@dataclass(frozen=True, slots=True)
class Pair:
    """One question about one picture and its one-word answer."""

    image_name: str
    question: str
    answer: str
    question_type: str = ""  # "" until validate infers it
    difficulty: str = ""
    source: str = ""
    split_group: str = ""  # of the pictures that stay together in one split; "" before there are splits
    extra: tuple[tuple[str, str], ...] = ()  # columns of the file it came from that we do not know
    also_right: tuple[str, ...] = ()  # further right answers: evaluation takes the best, none is taught

    @property
    def key(self) -> tuple[str, str]:
        """What identifies a row in every file: picture and question."""
        return self.image_name, self.question

    @property
    def right_answers(self) -> tuple[str, ...]:
        """Each one is right; the first is the one that is taught."""
        return self.answer, *self.also_right

    @property
    def together(self) -> str:
        """What shares its luck: the group of its picture; the picture where the file names no groups."""
        return self.split_group or self.image_name


def stated(cell: str) -> str:
    """The cell of a column that may be absent; "" too where a program wrote "nan" for nothing."""
    return "" if is_missing(cell) else cell


def image_name_of(text: str) -> str:
    """The file name in any of the spellings found in the wild: "images\\small\\8f\\8f5d4670.jpg".

    Its accents are composed (NFC), so that one picture has one name; see `files.as_on_disk`.
    A path that climbs out of where it starts ("../../etc/passwd") is returned as it is: `rules` rejects
    it by name, and it never becomes a path.
    """
    named = unicodedata.normalize("NFC", text.strip())
    parts = named.replace("\\", "/").split("/")
    return named if ".." in parts else parts[-1]


def image_column(columns: Sequence[str]) -> str:
    """The one of `columns` that names the pictures; image_name where none does."""
    return next((name for name in IMAGE_COLUMNS if name in columns), "image_name")


def read_pairs(path: Path, names_by_id: Callable[[], Mapping[str, str]] | None = None) -> list[Pair]:
    """The rows of a pairs CSV, in file order; the picture, question and answer columns are enough.

    A row that does not fit its header becomes a pair with the extra column `unreadable_row`, so that it
    reaches the rejects. `names_by_id` gives image_id → file name, for files that name pictures so.

    Raises:
        InputError: the file cannot be used as a whole; see `read_table`.
    """
    return pairs_and_lines(path, names_by_id)[0]


def pairs_and_lines(
    path: Path,
    names_by_id: Callable[[], Mapping[str, str]] | None = None,
    name_of: Callable[[str], str] = image_name_of,
) -> tuple[list[Pair], Lines]:
    """As `read_pairs`, and what became of each line of the file; `name_of` makes a name of a cell."""
    table = read_table(path, (*_FIELDS, _GROUP, ALSO_RIGHT, *IMAGE_COLUMNS), _needed)
    named_in = image_column(table.columns)
    by_id = names_by_id() if named_in == "image_id" and names_by_id else {}
    pairs = []
    unread: list[int] = []  # the lines of each row that an earlier reading could not read
    for number, cells in enumerate(table.rows):
        row = dict(zip(table.columns, cells, strict=True))
        named = row.pop(named_in)
        pairs.append(_pair_of(by_id.get(named, name_of(named)), row))
        if row.get(UNREADABLE):
            unread.append(table.long_rows.get(number, 1))
    pairs += [Pair("", "", "", extra=((UNREADABLE, row.problem),)) for row in table.malformed]
    if not pairs:
        raise InputError(f"{path} has no rows; it needs at least one pair below its header")
    lines, count = table.lines, sum(unread)
    judged, rows = lines.judged - count, lines.rows - len(unread)
    return pairs, replace(lines, judged=judged, unreadable=lines.unreadable + count, rows=rows)


def _needed(columns: Sequence[str]) -> tuple[str, ...]:
    return image_column(columns), "question", "answer"


def _pair_of(image_name: str, row: dict[str, str]) -> Pair:
    optional = {name: stated(row[name]) for name in _OPTIONAL if row.get(name)}
    extra = tuple((name, cell) for name, cell in row.items() if name not in _KNOWN)
    also_right = split_also_right(row.get(ALSO_RIGHT, ""))
    return Pair(image_name, row["question"], row["answer"], **optional, extra=extra, also_right=also_right)


def split_also_right(cell: str) -> tuple[str, ...]:
    """The further right answers in a cell of that column."""
    return tuple(text for part in cell.split(_BETWEEN) if (text := stated(part.strip()))) if cell else ()


def join_also_right(pair: Pair) -> dict[str, str]:
    """The cell of that column; none of a pair that has no further right answer."""
    return {ALSO_RIGHT: _BETWEEN.join(pair.also_right)} if pair.also_right else {}


def columns_of(pairs: Sequence[Pair]) -> list[str]:
    """The columns of a file that holds `pairs`: the known ones, then every extra one as first met."""
    group = [_GROUP] if any(pair.split_group for pair in pairs) else []
    also_right = [ALSO_RIGHT] if any(pair.also_right for pair in pairs) else []
    extra = dict.fromkeys(name for pair in pairs for name, _ in pair.extra)
    return [*_FIELDS, *group, *also_right, *extra]


def row_of(pair: Pair) -> dict[str, str]:
    """The pair as a row of a file, extra columns and all."""
    row = {name: getattr(pair, name) for name in _FIELDS} | dict(pair.extra)
    row |= join_also_right(pair)
    return row | {_GROUP: pair.split_group} if pair.split_group else row


def write_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    write_rows(path, columns_of(pairs), map(row_of, pairs))
