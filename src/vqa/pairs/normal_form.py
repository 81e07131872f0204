"""The form in which answers are compared, and when one is right."""

import re

from vqa.pairs.spelling import american

_NUMBER_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
    """.split()
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBER_WORDS)} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}
_DROPPED = re.compile(r"['’]|(?<=\d),(?=\d)")  # don't, 3,000
# A point or colon between digits and a hyphen inside a word are part of it; other punctuation is not.
_SEPARATOR = re.compile(r"(?<!\d)[.:]|[.:](?!\d)|(?<!\w)-|-(?!\w)|[^\w\s.:\-]|_")


def normal_form(answer: str) -> str:
    """The form in which texts are compared. Idempotent.

    Case, punctuation and articles folded, number words to digits, one spelling; an article alone stays ("A"
    is a letter to read). After the official VQA rules, which `vqa.scoring.vqa_rules` has as they stand.
    """
    text = _DROPPED.sub("", answer.lower())
    words = [_DIGITS.get(word, word) for word in _SEPARATOR.sub(" ", text).split()]
    content = [word for word in words if word not in _ARTICLES] or words[-1:]
    return " ".join(map(american, content))


def taught_form(answer: str) -> str:
    """The form in which an answer is taught: the normal form, but "none" stays the word that it is.

    It compares as 0, but no pattern is not the pattern 0.
    """
    form = normal_form(answer)
    return "none" if form == _DIGITS["none"] and first_word(answer).lower() == "none" else form


def exact_match(answer: str, reference: str) -> bool:
    """Whether an answer is right: equal in normal form. An empty one never is, whatever the reference."""
    return normal_form(answer) == normal_form(reference) != ""


def first_word(text: str) -> str:
    """The first word of a generated text without surrounding punctuation; "" when there is none.

    A leading article is passed over, so that "a lamp" is the answer lamp: no model is judged by its
    article.
    """
    words = [word.strip(".,;:!?\"'()[]{}<>*`“”‘’…") for word in text.split()]
    words = [word for word in words if word]
    content = [word for word in words if word.lower() not in _ARTICLES]
    return next(iter(content or words), "")


def compared_part(text: str, reference: str) -> str:
    """What of a generated text is compared with a right answer: its first word, or all of it where the right
    answer has several words, which no first word ever is.
    """
    return text if len(normal_form(reference).split()) > 1 else first_word(text)
