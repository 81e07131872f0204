"""Cells that hold no value: what programs write for nothing, and what spreadsheets make of something.

Both are read from the text as it came: in normal form "N/A" is "n", "#REF!" is "ref" and "1,5" is "15".
"""

import re
from collections.abc import Callable
from functools import lru_cache

# pandas, R, Excel, databases and JSON write these for nothing. Not "none", which answers "Which pattern?",
# and not "NA" without a stroke, which may stand in the image.
_NOTHING = frozenset(
    "n/a nan -nan <na> nat null <null> (null) \\n undefined unspecified #na #nv #n/a".split()
)
# "N / A", "n.a.", "(n/a)": their normal form is "n" too
_NOT_AVAILABLE = re.compile(r"[(\[<{]?\s*n\s*[/\\|.]\s*a\s*[./,;]*\s*[)\]>}]?")
# Excel and LibreOffice: #REF!, #NAME?, #DIV/0!, in German #BEZUG!, in Spanish #¡REF!
_ERROR_VALUE = re.compile(r"#[¡¿]?[^\W\d_][\w/ ]*[!?]")
_MONTH = (  # as spreadsheets in English and German shorten them, and whole
    "(?:jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez|january|february|march|april|"
    r"june|july|august|september|october|november|december|januar|februar|märz|juni|juli|oktober|dezember)\.?"
)
_TIME = r"(?: \d{1,2}:\d{2}(?::\d{2})?)?"
_DATE = re.compile(
    rf"\d{{1,4}}[-./ ]+{_MONTH}(?:[-./ ]+\d{{2,4}})?"
    rf"|{_MONTH}[-./]\d{{1,4}}"
    rf"|\d{{1,4}}([-./])\d{{1,2}}\1\d{{2,4}}{_TIME}",
    re.IGNORECASE,
)
_BOOLEAN = re.compile(
    r"TRUE|FALSE|WAHR|FALSCH|VRAI|FAUX|VERDADERO|FALSO"
)  # Python's True is a word as written
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COMMA_IN_NUMBER = re.compile(r"[+-]?\d+(?:,\d+)+")
_POWER_OF_TEN = re.compile(r"\d(?:[.,]\d+)?E[+-]\d{2,3}")
_LONGEST = 30  # letters; what is longer was written by a person
_REMEMBERED = 1 << 16  # texts: a file of a million answers holds few different ones
# Kind → what the spreadsheet made.
_MADE: dict[str, Callable[[str], object]] = {
    "date": _DATE.fullmatch,
    "truth_value": _BOOLEAN.fullmatch,
    "decimal_comma": lambda text: _COMMA_IN_NUMBER.fullmatch(text) and not _THOUSANDS.fullmatch(text),
    "power_of_ten": _POWER_OF_TEN.fullmatch,
}


def is_missing(text: str) -> bool:
    """Whether a program wrote this for nothing: "N/A", "nan", "#REF!", whatever its case."""
    return len(text) <= _LONGEST and _is_nothing(text)


@lru_cache(_REMEMBERED)
def _is_nothing(text: str) -> bool:
    text = text.strip().strip("\"'.").lower()
    patterns = (_NOT_AVAILABLE, _ERROR_VALUE)
    return text in _NOTHING or any(pattern.fullmatch(text) for pattern in patterns)


@lru_cache(_REMEMBERED)
def spreadsheet_kind(text: str) -> str:
    """What a spreadsheet made of the text that stood here; what that was cannot be told any more.

    "date" (04-Mar), "truth_value" (TRUE), "decimal_comma" (1,5) or "power_of_ten" (1E+05); "" where it made
    nothing.
    """
    text = text.strip()
    return next((kind for kind, is_made in _MADE.items() if is_made(text)), "")
