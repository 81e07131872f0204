"""The form in which answers are compared, and when one is right."""

import re
from functools import lru_cache

from vqa.pairs.spelling import american

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
