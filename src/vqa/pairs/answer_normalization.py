"""The form in which answers are compared, and when one is right; what is no answer at all.

A list that stands in one cell of a CSV, as JSON, Python or numpy write it, or with separators. British and
American spellings: the one table, for all code that compares words. What programs write for a missing value,
and values that a spreadsheet changed: both are read from the text as it came, since in normal form "N/A" is
"n", "#REF!" is "ref" and "1,5" is "15".
"""

import ast
import json
import re
from collections.abc import Callable
from functools import lru_cache

# Words in questions and answers about products, except words that one side tells apart (disc, storey).
_BRITISH_AMERICAN = """
    grey gray, greys grays, greyish grayish, greyscale grayscale,
    colour color, colours colors, coloured colored, colouring coloring, colourful colorful,
    colourless colorless, multicolour multicolor, multicoloured multicolored, watercolour watercolor,
    tricolour tricolor, bicolour bicolor,
    jewellery jewelry, jewelled jeweled, aluminium aluminum, centre center, centres centers, centred centered,
    fibre fiber, fibres fibers, fibreglass fiberglass, microfibre microfiber, metre meter, metres meters,
    litre liter, litres liters, theatre theater, lustre luster, ochre ocher, sabre saber,
    mould mold, moulds molds, moulded molded, moulding molding, mouldings moldings,
    tyre tire, tyres tires, pyjama pajama, pyjamas pajamas, cosy cozy, woollen woolen, chequered checkered,
    panelled paneled, bevelled beveled, labelled labeled, enamelled enameled, channelled channeled,
    swivelling swiveling, flavour flavor, flavours flavors, flavoured flavored, favourite favorite,
    odour odor, harbour harbor, armour armor, armoured armored, moustache mustache, doughnut donut,
    doughnuts donuts, aeroplane airplane, aeroplanes airplanes, catalogue catalog, catalogues catalogs
    """
_AMERICAN = dict(re.findall(r"(\w+) (\w+)", _BRITISH_AMERICAN))


def american(word: str) -> str:
    """A lower-case word, or several joined by hyphens, in American spelling: "grey-green" → "gray-green"."""
    if "-" in word:
        return "-".join(_AMERICAN.get(part, part) for part in word.split("-"))
    return _AMERICAN.get(word, word)


_NUMBER_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
    """.split()
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBER_WORDS)} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}
_REMEMBERED = 2**16  # texts: a stage asks for the form of each row's question and answer many times
_DROPPED = re.compile(r"['’]|(?<=\d),(?=\d)")  # don't, 3,000
# A point or colon between digits and a hyphen inside a word are part of it; other punctuation is not.
_SEPARATOR = re.compile(r"(?<!\d)[.:]|[.:](?!\d)|(?<!\w)-|-(?!\w)|[^\w\s.:\-]|_")


@lru_cache(_REMEMBERED)
def normalize_answer(answer: str) -> str:
    """The form in which texts are compared. Idempotent.

    Case and punctuation are folded, articles are dropped, number words become digits, and spelling becomes
    American. An article alone stays ("A" is a letter to read). This follows the official VQA rules, which
    `vqa.scoring.scores.vqa_form` has as they stand.
    """
    text = _DROPPED.sub("", answer.lower())
    words = [_DIGITS.get(word, word) for word in _SEPARATOR.sub(" ", text).split()]
    content = [word for word in words if word not in _ARTICLES] or words[-1:]
    return " ".join(map(american, content))


def training_form(answer: str) -> str:
    """The form in which an answer is trained on: the normal form, but "none" stays the word that it is.

    "none" compares as 0, but no pattern is not the pattern 0.
    """
    form = normalize_answer(answer)
    return "none" if form == _DIGITS["none"] and first_word(answer).lower() == "none" else form


def exact_match(answer: str, reference: str) -> bool:
    """Whether an answer is right: equal in normal form. An empty one never is, whatever the reference."""
    return normalize_answer(answer) == normalize_answer(reference) != ""


def first_word(text: str) -> str:
    """The first word of a generated text without surrounding punctuation; "" when there is none.

    A leading article is skipped, so that "a lamp" is the answer lamp: the article does not affect the score.
    """
    words = [word.strip(".,;:!?\"'()[]{}<>*`“”‘’…") for word in text.split()]
    words = [word for word in words if word]
    content = [word for word in words if word.lower() not in _ARTICLES]
    return next(iter(content or words), "")


def compared_part(text: str, reference: str) -> str:
    """The part of a generated text that is compared with a right answer.

    It is the first word, or the whole text if the right answer has several words.
    """
    return text if len(normalize_answer(reference).split()) > 1 else first_word(text)


_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_SEPARATORS = ("\n", "|", ";", ",")


def entries_in_brackets(cell: str) -> list[str]:
    """The texts of "['red', 'blue']" or VQAv2's '[{"answer": "red", …}, …]'; [] of any other cell."""
    cell = cell.strip()
    if not (cell.startswith("[") and cell.endswith("]")):
        return []
    if "{" in cell:
        return _answers_in_objects(cell)
    if quoted := _QUOTED.findall(cell):
        return [single or double for single, double in quoted]
    return [entry.strip() for entry in cell[1:-1].split(",") if entry.strip()]


def listed_answers(cell: str) -> list[str]:
    """The right answers that a cell lists: as `entries_in_brackets`, or between bars; [] of one text."""
    parts = [part.strip() for part in cell.split("|")]
    return entries_in_brackets(cell) or (parts if len(parts) > 1 and all(parts) else [])


def entries(cell: str) -> list[str]:
    """As `entries_in_brackets`, or the texts between line breaks, |, ; or commas."""
    if texts := entries_in_brackets(cell):
        return texts
    text = cell.strip("[](){}")
    separator = next((mark for mark in _SEPARATORS if mark in text), ",")
    texts = [entry.strip() for entry in text.split(separator)]
    return texts if any(texts) else []


def _answers_in_objects(cell: str) -> list[str]:
    for read in (json.loads, ast.literal_eval):
        try:
            objects = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if all(isinstance(entry, dict) and isinstance(entry.get("answer"), str) for entry in objects):
            return [entry["answer"] for entry in objects]
    return []


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
