"""The form in which answers are compared, and when one is right.

A list that stands in one cell of a CSV, as JSON, Python or numpy write it, or with separators.

British and American spellings: the one table, for all code that compares words.
"""

import ast
import json
import re
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
    `vqa.scoring.vqa_rules` has as they stand.
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
