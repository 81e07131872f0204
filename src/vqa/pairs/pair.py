"""The question-answer pair, its file, the splits that a file of pairs is one of, and a pair's support level.

The answers of the training pairs stand in files of their own: what constrained decoding may generate. A stage
that answers depends on one of two files, by `decoding.constrained`: true.csv, which changes with the training
answers, or false.csv, which is empty and never changes. So other training pairs rerun no stage that does not
use them.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from vqa.core.csv_tables import Lines, read_rows, read_table, write_rows
from vqa.core.errors import InputError
from vqa.pairs.answer_normalization import is_missing

# Where a file may name its images, in order of preference.
IMAGE_COLUMNS = ("image_name", "full_image_path", "image_path", "image_id")
# Extra column of a row that does not fit its file's header: line and problem.
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
    """One question about one image and its one-word answer."""

    image_name: str
    question: str
    answer: str
    question_type: str = ""  # "" until validate infers it
    difficulty: str = ""
    source: str = ""
    split_group: str = ""  # of the images that stay together in one split; "" before there are splits
    extra: tuple[tuple[str, str], ...] = ()  # other columns of its file
    also_right: tuple[str, ...] = ()  # further right answers: evaluation takes the best, training uses none

    @property
    def key(self) -> tuple[str, str]:
        """What identifies a row in every file: image and question."""
        return self.image_name, self.question

    @property
    def right_answers(self) -> tuple[str, ...]:
        """All right answers; training uses the first."""
        return self.answer, *self.also_right

    @property
    def together(self) -> str:
        """Its cluster in resampling: the group of its image; the image where the file names no groups."""
        return self.split_group or self.image_name


def stated(cell: str) -> str:
    """The cell of an optional column; "" also if a program wrote "nan" or the like for no value."""
    return "" if is_missing(cell) else cell


def parse_image_name(text: str) -> str:
    """The file name in a cell, in any spelling that files use: "images\\small\\8f\\8f5d4670.jpg".

    Its accents are composed (NFC), so that one image has one name; see `files.as_on_disk`.
    A path that leaves its folder ("../../etc/passwd") is returned as it is: `rules` rejects it by name, and
    it is never opened.
    """
    named = unicodedata.normalize("NFC", text.strip())
    parts = named.replace("\\", "/").split("/")
    return named if ".." in parts else parts[-1]


def image_column(columns: Sequence[str]) -> str:
    """The one of `columns` that names the images; image_name where none does."""
    return next((name for name in IMAGE_COLUMNS if name in columns), "image_name")


def read_pairs(path: Path, names_by_id: Callable[[], Mapping[str, str]] | None = None) -> list[Pair]:
    """The rows of a pairs CSV, in file order; the image, question and answer columns are enough.

    A row that does not fit its header becomes a pair with the extra column `unreadable_row`, so that it
    reaches the rejects. `names_by_id` gives image_id → file name, for files that name images so.

    Raises:
        InputError: the file cannot be used as a whole; see `read_table`.
    """
    return pairs_and_lines(path, names_by_id)[0]


def pairs_and_lines(
    path: Path,
    names_by_id: Callable[[], Mapping[str, str]] | None = None,
    name_of: Callable[[str], str] = parse_image_name,
) -> tuple[list[Pair], Lines]:
    """As `read_pairs`, with counts of the file's lines; `name_of`: cell → image name."""
    table = read_table(path, (*_FIELDS, _GROUP, ALSO_RIGHT, *IMAGE_COLUMNS), _needed)
    named_in = image_column(table.columns)
    by_id = names_by_id() if named_in == "image_id" and names_by_id else {}
    pairs = []
    unread: list[int] = []  # the lines of each row that an earlier stage could not read
    for number, cells in enumerate(table.rows):
        row = dict(zip(table.columns, cells, strict=True))
        named = row.pop(named_in)
        pairs.append(_parse_pair(by_id.get(named, name_of(named)), row))
        if row.get(UNREADABLE):
            unread.append(table.long_rows.get(number, 1))
    pairs += [Pair("", "", "", extra=((UNREADABLE, row.problem),)) for row in table.malformed]
    if not pairs:
        raise InputError(f"{path} has no rows; it needs at least one pair below its header")
    lines, count = table.lines, sum(unread)
    parsed, rows = lines.parsed - count, lines.rows - len(unread)
    return pairs, replace(lines, parsed=parsed, unreadable=lines.unreadable + count, rows=rows)


def _needed(columns: Sequence[str]) -> tuple[str, ...]:
    return image_column(columns), "question", "answer"


def _parse_pair(image_name: str, row: dict[str, str]) -> Pair:
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


def csv_columns(pairs: Sequence[Pair]) -> list[str]:
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
    write_rows(path, csv_columns(pairs), map(row_of, pairs))


# With 50 test pairs a 95 % interval of a share is up to 28 points wide; a checkpoint picked by fewer than 20
# validation pairs is picked by luck.
LEAST_TEST, LEAST_VAL = 50, 20


def too_few(test_pairs: int, val_pairs: int = LEAST_VAL) -> list[str]:
    """One sentence that so few pairs give no clear result, with a remedy; none if there are enough."""
    counted = [(test_pairs, LEAST_TEST, "test"), (val_pairs, LEAST_VAL, "validation")]
    few = [f"{n} {name} pairs, where {least} are the least" for n, least, name in counted if n < least]
    remedy = "give more images, or raise validate.test_share and validate.val_share"
    return [f"too little to tell: {' and '.join(few)}; {remedy}"] if few else []


_COLUMN = "answer"


def write_vocabulary(path: Path, pairs: Iterable[Pair]) -> None:
    """Each answer of `pairs` once, in alphabetical order."""
    write_rows(path, [_COLUMN], ({_COLUMN: answer} for answer in sorted({pair.answer for pair in pairs})))


def read_vocabulary(folder: Path, is_constrained: bool) -> tuple[str, ...]:
    """The answers that may be generated; empty where any answer may be.

    Raises:
        InputError: there is no such file.
    """
    if not is_constrained:
        return ()
    return tuple(row[_COLUMN] for row in read_rows(folder / "true.csv", [_COLUMN]))


SUPPORTED, CONFLICTING, UNCHECKED = "supported", "conflicting", "unchecked"
SUPPORT_LEVELS = (CONFLICTING, UNCHECKED, SUPPORTED)  # the most doubtful first
_COLUMNS = ("image_name", "question", "answer", "support", "needs_image")
_WRITTEN = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class Support:
    """The result for one pair."""

    support: str  # one of SUPPORT_LEVELS
    needs_image: bool  # no label check without the image gives the answer


def write_support(
    path: Path,
    pairs: Sequence[Pair],
    support_levels: Sequence[Support],
    votes_by_check: Iterable[Mapping[str, str]],
) -> None:
    """One row a pair; `votes_by_check`: further columns with the votes, the same columns in every row."""

    def row(pair: Pair, support: Support, said: Mapping[str, str]) -> dict[str, str]:
        needs_image = _WRITTEN[support.needs_image]
        return dict(
            zip(_COLUMNS, (*pair.key, pair.answer, support.support, needs_image), strict=True)
        ) | dict(said)

    rows = map(row, pairs, support_levels, votes_by_check)
    first = next(rows)
    write_rows(path, list(first), chain([first], rows))


def read_support(path: Path, pairs: Iterable[Pair]) -> list[Support]:
    """The support level of each of `pairs`.

    Raises:
        InputError: the file has none on one of them.
    """
    support_of = {
        (row["image_name"], row["question"], row["answer"]): Support(
            row["support"], row["needs_image"] == _WRITTEN[True]
        )
        for row in read_rows(path, _COLUMNS)
    }
    try:
        return [support_of[(*pair.key, pair.answer)] for pair in pairs]
    except KeyError as error:
        raise InputError(f"{path} has no support level on {error.args[0]}; run dvc repro verify") from error


def write_left_out(path: Path, pairs: Iterable[Pair]) -> None:
    """The pairs that training leaves out: image and question."""
    rows = ({"image_name": pair.image_name, "question": pair.question} for pair in pairs)
    write_rows(path, ("image_name", "question"), rows)


def without_left_out(path: Path, pairs: Sequence[Pair]) -> list[Pair]:
    """Those of `pairs` that the file of `write_left_out` does not name.

    Raises:
        InputError: it names them all.
    """
    left_out = {(row["image_name"], row["question"]) for row in read_rows(path, ("image_name", "question"))}
    remaining = [pair for pair in pairs if pair.key not in left_out]
    if not remaining:
        raise InputError(f"{path} leaves no pair to train on; set verify.train_on to all in params.yaml")
    return remaining
