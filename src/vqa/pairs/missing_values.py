"""Cells without a value: what programs write for a missing one, and values that a spreadsheet changed.

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
_LONGEST = 30  # letters; a longer text was written by a person
_REMEMBERED = 1 << 16  # texts: a file of a million answers holds few different ones
# Kind → what the spreadsheet made.
_MADE: dict[str, Callable[[str], object]] = {
    "date": _DATE.fullmatch,
    "truth_value": _BOOLEAN.fullmatch,
    "decimal_comma": lambda text: _COMMA_IN_NUMBER.fullmatch(text) and not _THOUSANDS.fullmatch(text),
    "power_of_ten": _POWER_OF_TEN.fullmatch,
    "number_in_a_narrow_column": re.compile("#{2,}").fullmatch,
}
# Kind → what it may have made, and a person may have written, too.
_PERHAPS_MADE: dict[str, Callable[[str], object]] = {
    "date_as_a_number": re.compile(r"4\d{4}").fullmatch,  # days since 1900: 2009 to 2036
    "comma_in_a_number": _THOUSANDS.fullmatch,
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
    """What a spreadsheet made of the original text, which is lost.

    "date" (04-Mar), "truth_value" (TRUE), "decimal_comma" (1,5), "power_of_ten" (1E+05) or
    "number_in_a_narrow_column" (####); "" where it made nothing.
    """
    text = text.strip()
    return next((kind for kind, is_made in _MADE.items() if is_made(text)), "")


def doubtful_kind(text: str) -> str:
    """What a spreadsheet may have made of the original text; a person may also have written it.

    "date_as_a_number" (45000) or "comma_in_a_number" (1,500: 1500, or 1.5 in German); "" of anything else.
    """
    text = text.strip()
    return next((kind for kind, may_be_made in _PERHAPS_MADE.items() if may_be_made(text)), "")
