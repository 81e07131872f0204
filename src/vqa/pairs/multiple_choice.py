"""Questions with options: an answer that is a letter or a number becomes the text of the option it points at.

Options stand in columns of their own (option_a …, choice1 …, A, B, C, D) or as a list in one cell. How the
answers of a file point at options is inferred from all its rows together; a file that can be read in two ways
is refused.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from vqa.core.errors import InputError
from vqa.pairs.answer_lists import entries
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair

_COLUMN = re.compile(
    r"(?:option|choice|opt|answer|candidate|distractor)s?[\s_.-]*([a-z]|\d{1,2})", re.IGNORECASE
)
_BARE = re.compile(r"([A-Z])")
_CHOICE = re.compile(r"\(?[a-f][.):]?", re.IGNORECASE)  # what options are commonly marked with
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
    """Replace answers that point at options by the options' texts; also returns a sentence on that.

    The sentence is "" if no answer was replaced. An answer that is no letter or number stays as it is.

    Raises:
        InputError: a letter or number that points at no option, or that can be read in two ways.
    """
    columns = _option_columns(pairs)
    if not columns:
        _check_no_bare_letters(path, pairs)
        return list(pairs), ""
    options_by_row = ((number, _options(pair, columns)) for number, pair in enumerate(pairs))
    asked = [
        (number, options) for number, options in options_by_row if options and _pointer(pairs[number].answer)
    ]
    if all(_by_text(pairs[number].answer, options) is not None for number, options in asked):
        return list(pairs), ""
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
    return answered, f"{len(asked)} answers are {name}: the text of the option in {where} is taken"


def _check_no_bare_letters(path: Path, pairs: Sequence[Pair]) -> None:
    """Check that the answers are not letters of options that no column holds.

    Raises:
        InputError: most are, and the questions do not ask for letters.
    """
    pointing = [
        number
        for number, pair in enumerate(pairs)
        if _CHOICE.fullmatch(pair.answer.strip()) and not _ASKS_FOR_LETTER.search(pair.question)
    ]
    letters = sorted({_pointer(pairs[number].answer) for number in pointing})
    if len(pointing) * 2 > len(pairs) and len(letters) > 1:
        raise InputError(
            f"{path}, row {pointing[0] + 1}: {len(pointing)} of {len(pairs)} answers are single letters "
            f"({', '.join(letters[:3])} …), but no column holds options that they point at; name these "
            "columns option_a, option_b …, or write the option's text as the answer"
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
    """The options without a leading "A.", "B." … or "1)", "2)" …, if each option has one."""
    matches = [_MARKED.fullmatch(option) for option in options]
    marked = [match for match in matches if match]
    marks = [match[1].lower() for match in marked]
    is_marked = len(marked) == len(options) > 1 and any(
        marks == _marks(start, len(marks)) for start in ("a", "0", "1")
    )
    return [match[2] for match in marked] if is_marked else options


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
    """How the answers point at options: the one way that fits all answers which are no option's text.

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
