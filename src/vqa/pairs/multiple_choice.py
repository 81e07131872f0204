"""Questions with options: an answer that is a letter or a number becomes the text of the option it points at.

Options stand in columns of their own (option_a …, choice1 …, A, B, C, D) or as a list in one cell. How the
answers of a file point at them is told from all its rows together; what can be read in two ways is refused.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from vqa.foundation.errors import InputError
from vqa.pairs.listed import entries
from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair

_COLUMN = re.compile(
    r"(?:option|choice|opt|answer|candidate|distractor)s?[\s_.-]*([a-z]|\d{1,2})", re.IGNORECASE
)
_BARE = re.compile(r"([A-Z])")
_CHOICE = re.compile(r"\(?[a-f][.):]?", re.IGNORECASE)  # what options are commonly marked with
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

    "" where no answer was replaced. An answer that is no letter or number stays as it is.

    Raises:
        InputError: a letter or number that points at no option, or that can be read in two ways.
    """
    columns = _option_columns(pairs)
    if not columns:
        return list(pairs), _bare_letters(pairs)
    found = ((number, _options(pair, columns)) for number, pair in enumerate(pairs))
    asked = [(number, options) for number, options in found if options and _pointer(pairs[number].answer)]
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


def _bare_letters(pairs: Sequence[Pair]) -> str:
    """A sentence on answers that look as if they pointed at options that no column holds; "" where few do."""
    letters = [pair.answer for pair in pairs if _CHOICE.fullmatch(pair.answer.strip())]
    if len(letters) * 2 <= len(pairs) or len(set(letters)) < 2:
        return ""
    return (
        f"{len(letters)} answers are single letters ({', '.join(sorted(set(letters))[:3])} …) and are taught "
        "as such: where they point at options, name their columns option_a, option_b …"
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
    forms = [normal_form(option) for option in options]
    return forms.index(normal_form(answer)) if normal_form(answer) in forms else None


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
