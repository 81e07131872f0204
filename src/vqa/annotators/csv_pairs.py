"""Pairs somebody already has: a CSV with image_name, question, answer and any further columns we know.

Questions with options: an answer that is a letter or a number becomes the text of the option it points at.

Options stand in columns of their own (option_a …, choice1 …, A, B, C, D) or as a list in one cell. How the
answers of a file point at them is told from all its rows together; what can be read in two ways is refused.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from vqa.annotators.metadata import one_word
from vqa.core.csv_tables import Lines
from vqa.core.errors import InputError
from vqa.pairs.answer_normalization import entries, normalize_answer
from vqa.pairs.pair import Pair, pairs_and_lines, parse_image_name
from vqa.pairs.question_types import infer_question_type

_COLUMN = re.compile(
    r"(?:option|choice|opt|answer|candidate|distractor)s?[\s_.-]*([a-z]|\d{1,2})", re.IGNORECASE
)
_BARE = re.compile(r"([A-Z])")
_CHOICE = re.compile(r"\(?[a-f][.):]?", re.IGNORECASE)  # what options are commonly marked with
_FEW = 5  # letters that are shown
_ASKS_FOR_LETTER = re.compile(r"\b(?:letters?|initials?|grades?|cup|written|printed|read)\b", re.IGNORECASE)
_LISTS = ("options", "choices", "candidates", "multiple_choices", "answer_choices", "answer_options")
# "B. blue", "(b) blue", "2) blue": an option with its own mark
_MARKED = re.compile(r"\(?([a-z]|\d{1,2})[.):]\s*(\S.*)", re.IGNORECASE)
# "B", "(b)", "B." or "Option B"; and the same of a number.
_POINTER = re.compile(r"\(?(?:(?:option|choice|opt|answer)[\s_-]*)?([a-z]|\d{1,2})[.):]?", re.IGNORECASE)

_Reading = Callable[[str, Sequence[str]], int | None]  # answer and options → the option's place
_Asked = Sequence[
    tuple[int, Sequence[str]]
]  # number of a row whose answer is a letter or number; its options


def answer_with_option_texts(path: Path, pairs: Sequence[Pair]) -> tuple[list[Pair], str]:
    """The pairs of a file, answers that point at options replaced by these; and a sentence on what was done.

    The sentence is "" where no answer was replaced and none is in doubt. An answer that is no letter or
    number stays as it is.

    Raises:
        InputError: a letter or number that points at no option, or that can be read in two ways.
    """
    columns = _option_columns(pairs)
    pointing = [number for number, pair in enumerate(pairs) if _pointer(pair.answer)]
    with_options = [(number, _options(pairs[number], columns)) for number in pointing if columns]
    asked = [(number, options) for number, options in with_options if options]
    doubt = _bare_letters(path, pairs, sorted({*pointing} - {number for number, _ in asked}))
    if all(_by_text(pairs[number].answer, options) is not None for number, options in asked):
        return list(pairs), doubt
    name, read = _reading(path, pairs, asked)
    places = {number: _place(pairs[number].answer, options, read) for number, options in asked}
    is_mixed = any(read(pairs[number].answer, options) is None for number, options in asked)
    answered = list(pairs)
    for number, options in asked:
        answered[number] = replace(pairs[number], answer=options[places[number]])
        same = _by_text(pairs[number].answer, options)
        if is_mixed and same not in (None, places[number]):
            raise _unclear(path, number, pairs[number], "is the text of one option and points at another")
    where = f"{columns[0]} to {columns[-1]}" if len(columns) > 1 else columns[0]
    taken = f"{len(asked)} answers are {name}: the text of the option in {where} is taken"
    return answered, "; ".join(filter(None, [taken, doubt]))


def _bare_letters(path: Path, pairs: Sequence[Pair], numbers: Iterable[int]) -> str:
    """A clause on answers that are single letters though their questions ask for none; "" without any.

    `numbers`: rows whose answers may point at options which no column holds.

    Raises:
        InputError: these are most of the answers.
    """
    pointing = [
        number
        for number in numbers
        if _CHOICE.fullmatch(pairs[number].answer.strip())
        and not _ASKS_FOR_LETTER.search(pairs[number].question)
    ]
    counts = Counter(_pointer(pairs[number].answer) for number in pointing)
    letters = sorted(counts)
    if len(pointing) * 2 > len(pairs) and len(letters) > 1:
        raise InputError(
            f"{path}, row {pointing[0] + 1}: {len(pointing)} of {len(pairs)} answers are single letters "
            f"({', '.join(letters[:3])} …), but no column holds options that they point at; name these "
            "columns option_a, option_b …, or write the option's text as the answer"
        )
    shown = ", ".join(f"{letter} {count}" for letter, count in counts.most_common(_FEW))
    return (
        f"{len(pointing)} of {len(pairs)} answers are single letters ({shown}; the first in row "
        f"{pointing[0] + 1}) without options that they could point at; they are kept: look at them"
        if pointing
        else ""
    )


def _option_columns(pairs: Iterable[Pair]) -> list[str]:
    """The columns that hold options, in the order of their letters or numbers; one alone holds a list."""
    names = list(dict.fromkeys(name for pair in pairs for name, _ in pair.extra))
    for pattern in (_COLUMN, _BARE):
        matches = {name: match[1].lower() for name in names if (match := pattern.fullmatch(name))}
        ordered = sorted(matches, key=lambda name: (len(matches[name]), matches[name]))
        marks = [matches[name] for name in ordered]
        if len(marks) > 1 and any(marks == _marks(start, len(marks)) for start in ("a", "0", "1")):
            return ordered
    return [name for name in names if re.sub(r"[\W_]+", "_", name.lower()) in _LISTS][:1]


def _marks(start: str, length: int) -> list[str]:
    """ "a", "b" … or "1", "2" …"""
    if start.isdigit():
        return [str(number) for number, _ in zip(count(int(start)), range(length))]
    return [chr(ord(start) + place) for place in range(length)]


def _options(pair: Pair, columns: Sequence[str]) -> list[str]:
    cells = dict(pair.extra)
    if len(columns) > 1:
        options = [cells.get(name, "") for name in columns]
        while options and not options[-1]:  # a question with fewer of them
            options.pop()
    else:
        options = entries(cells.get(columns[0], ""))
    return _without_marks(options)


def _without_marks(options: list[str]) -> list[str]:
    """The options without "A.", "B." … or "1)", "2)" … in front, where each has its own."""
    matches = [_MARKED.fullmatch(option) for option in options]
    found = [match for match in matches if match]
    marks = [match[1].lower() for match in found]
    is_marked = len(found) == len(options) > 1 and any(
        marks == _marks(start, len(marks)) for start in ("a", "0", "1")
    )
    return [match[2] for match in found] if is_marked else options


def _pointer(answer: str) -> str:
    """The letter or number that an answer is, or ""."""
    match = _POINTER.fullmatch(answer.strip())
    return match[1].lower() if match else ""


def _by_text(answer: str, options: Sequence[str]) -> int | None:
    forms = [normalize_answer(option) for option in options]
    return forms.index(normalize_answer(answer)) if normalize_answer(answer) in forms else None


def _by_letter(answer: str, options: Sequence[str]) -> int | None:
    place = ord(_pointer(answer)[0]) - ord("a")
    return place if 0 <= place < len(options) and options[place] else None


def _by_number_from(first: int) -> _Reading:
    def read(answer: str, options: Sequence[str]) -> int | None:
        mark = _pointer(answer)
        place = int(mark) - first if mark.isdigit() else -1
        return place if 0 <= place < len(options) and options[place] else None

    return read


_READINGS: dict[str, _Reading] = {
    "letters": _by_letter,
    "numbers of options, from 0": _by_number_from(0),
    "numbers of options, from 1": _by_number_from(1),
}


def _reading(path: Path, pairs: Sequence[Pair], asked: _Asked) -> tuple[str, _Reading]:
    """How the answers point at options: the one way in which all do that are no option's text.

    Raises:
        InputError: no way reads all of them, or two do.
    """

    def unread(read: _Reading) -> list[int]:
        ways = (read, _by_text)
        return [n for n, options in asked if all(way(pairs[n].answer, options) is None for way in ways)]

    unread_by = {name: unread(read) for name, read in _READINGS.items()}
    fitting = [name for name, numbers in unread_by.items() if not numbers]
    if len(fitting) == 1:
        return fitting[0], _READINGS[fitting[0]]
    if not fitting:
        first = min(unread_by.values(), key=len)[0]
        raise _unclear(path, first, pairs[first], f"points at none of its {len(dict(asked)[first])} options")
    first = asked[0][0]
    raise _unclear(path, first, pairs[first], f"may be counted as {' or as '.join(fitting)}")


def _place(answer: str, options: Sequence[str], read: _Reading) -> int:
    """The option that an answer points at, else the one whose text it is."""
    places = [place for way in (read, _by_text) if (place := way(answer, options)) is not None]
    return places[0]


def _unclear(path: Path, number: int, pair: Pair, problem: str) -> InputError:
    return InputError(
        f"{path}, row {number + 1}: answer {pair.answer!r} {problem}; write the option's text as the answer"
    )


def read_csv_pairs(
    path: Path,
    names_by_id: Callable[[], Mapping[str, str]],
    is_reduced: bool = False,
    name_of: Callable[[str], str] = parse_image_name,
) -> tuple[list[Pair], Lines]:
    """Every row as it stands, its file's name as the source where it states none; and the file's lines.

    `name_of` makes a name of what a row calls its image. An answer that points at one of its question's
    options is the text of that option, and a sentence is printed. `is_reduced`: an answer of several words is
    cut to the one colour or material in it, as a listing's is.

    Raises:
        InputError: see `read_pairs` and `answer_with_option_texts`.
    """
    pairs, lines = pairs_and_lines(path, names_by_id, name_of)
    pairs, sentence = answer_with_option_texts(path, pairs)
    if sentence:
        print(f"{path}: {sentence}")
    pairs = [replace(pair, source=pair.source or path.name) for pair in pairs]
    return [_reduced(pair) for pair in pairs] if is_reduced else pairs, lines


def _reduced(pair: Pair) -> Pair:
    """The pair as it is where its answer is one word, or comes to none."""
    if len(normalize_answer(pair.answer).split()) < 2:
        return pair
    word = one_word(pair.question_type or infer_question_type(pair.question), pair.answer)
    return replace(pair, answer=word) if word else pair
