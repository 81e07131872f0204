"""The question-answer pair: its file, its normal form, its question type."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from vqa.errors import InputError
from vqa.files import whole_file

REQUIRED_COLUMNS = ("image_name", "question", "answer")

# First match wins; words of the question, the way annotators put it.
_TYPE_WORDS = [
    ("count", r"how many|number of|count of"),
    ("color", r"colou?rs?|shade|hue|tint"),
    ("material", r"materials?|made (?:of|from|out of)|fabric"),
    ("pattern", r"patterns?|print(?:ed)?|design|motif"),
    ("shape", r"shapes?|shaped"),
    ("texture", r"textures?|textured|surface|finish"),
    ("size", r"size|large|small|big|tall|long|short|width|height|length"),
    ("position", r"where|position|side|located|placed|orientation|facing"),
    ("brand", r"brand|logo|manufacturer"),
    ("comparison", r"same|different|than|compared"),
    ("function", r"used for|purpose|function|use"),
    ("category", r"(?:type|kind|sort|category) of|what is (?:this|it|shown)|product|object|item"),
]
_TYPE_PATTERNS = [(name, re.compile(rf"\b(?:{words})\b")) for name, words in _TYPE_WORDS]
OTHER_TYPE = "other"

_NUMBER_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
    """.split()
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBER_WORDS)} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}


@dataclass(frozen=True)
class Pair:
    """One question about one picture and its one-word answer."""

    image_name: str
    question: str
    answer: str
    question_type: str = OTHER_TYPE
    difficulty: str = ""
    source: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies a row in every file: picture and question."""
        return self.image_name, self.question


def normal_form(answer: str) -> str:
    """The form in which answers are compared, by the official VQA rules.

    Case, punctuation and articles folded, number words to digits. Idempotent.
    Source: VQA evaluation, https://github.com/GT-Vision-Lab/VQA (vqaEval.py).
    """
    # A decimal point and a hyphen inside a word are part of it; other punctuation is not.
    text = re.sub(r"(?<!\d)\.|\.(?!\d)", " ", answer.lower().replace("'", "").replace("’", ""))
    text = re.sub(r"(?<!\w)-|-(?!\w)|[^\w\s.\-]|_", " ", text)
    words = [_DIGITS.get(word, word) for word in text.split()]
    return " ".join(word for word in words if word not in _ARTICLES)


def first_word(text: str) -> str:
    """The first word of a generated text without surrounding punctuation; "" when there is none."""
    for word in text.split():
        stripped = word.strip(".,;:!?\"'()[]{}<>*`“”‘’…")
        if stripped:
            return stripped
    return ""


def question_type_of(question: str) -> str:
    """The question's type inferred from its words, for pairs that came without one."""
    lowered = question.lower()
    for name, pattern in _TYPE_PATTERNS:
        if pattern.search(lowered):
            return name
    return OTHER_TYPE


def image_name_of(text: str) -> str:
    """The file name in any of the spellings found in the wild: "images\\small\\8f\\8f5d4670.jpg"."""
    return text.strip().replace("\\", "/").rsplit("/", 1)[-1]


def read_pairs(path: Path) -> list[Pair]:
    """Rows of a pairs CSV, in file order; only the three first columns are required.

    Raises:
        InputError: no such file, a required column is missing, or there is no row.
    """
    names = [field.name for field in fields(Pair)]
    pairs = []
    for row in read_rows(path, REQUIRED_COLUMNS):
        known = {name: row[name] for name in names if row.get(name)}
        known = {"question": "", "answer": "", **known}
        known["image_name"] = image_name_of(row["image_name"])
        known.setdefault("question_type", question_type_of(row["question"]))
        pairs.append(Pair(**known))
    return pairs


def read_rows(path: Path, required: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV as text: "NA" and "None" are answers, never missing values."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; make it, or name another file in params.yaml") from error
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path} is empty; it needs the header {','.join(required)}") from error
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a UTF-8 CSV ({error}); save it again as one") from error
    table.columns = table.columns.str.strip()
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise InputError(f"{path}: column {missing[0]} is missing; its header must have {','.join(required)}")
    if table.empty:
        raise InputError(f"{path} has no rows; it needs at least one pair below its header")
    stripped = table.fillna("").apply(lambda column: column.str.strip())  # short rows end in NaN
    return stripped.to_dict("records")


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    write_rows(path, [field.name for field in fields(Pair)], (asdict(pair) for pair in pairs))


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    with whole_file(path) as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
