"""Pairs → kept or rejected, each reject with its reason. A row carries the first reason that applies."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vqa.images import ImageError
from vqa.pairs import Pair, normal_form

# No English question does without one of these; measured on 42,000 real ones: it also finds answers that
# slipped into the question column ("Rectangular").
_FUNCTION_WORDS = frozenset(
    """
    a an and any are at can color count did do does has have how in is it made many much name of on or that
    the there this was what when where which who whose why with
    """.split()
)
_FOREIGN_LETTER = re.compile(r"[^\W\d_a-zA-Z]")


@dataclass(frozen=True)
class Rejected:
    """A pair as it came, and why it is not used."""

    pair: Pair
    reason: str
    detail: str


def judge(pairs: Sequence[Pair], check_image: Callable[[str], None]) -> tuple[list[Pair], list[Rejected]]:
    """Split `pairs` into kept and rejected, both in input order.

    Args:
        check_image: called once a distinct picture name; raises ImageError for an unusable picture.
    """
    problems = _image_problems(pairs, check_image)
    answers: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for pair in pairs:
        answers[_question_key(pair)][normal_form(pair.answer)] = pair.answer
    kept: list[Pair] = []
    rejected: list[Rejected] = []
    seen: set[tuple[str, str]] = set()
    for pair in pairs:
        key = _question_key(pair)
        reason_and_detail = _wording_problem(pair) or problems.get(pair.image_name)
        if reason_and_detail is None and len(answers[key]) > 1:
            reason_and_detail = ("conflicting_answers", " / ".join(sorted(answers[key].values())))
        if reason_and_detail is None and key in seen:
            reason_and_detail = ("duplicate", "same question and answer for this picture")
        if reason_and_detail is None:
            seen.add(key)
            kept.append(pair)
        else:
            rejected.append(Rejected(pair, *reason_and_detail))
    return kept, rejected


def _question_key(pair: Pair) -> tuple[str, str]:
    return pair.image_name, normal_form(pair.question)


def _wording_problem(pair: Pair) -> tuple[str, str] | None:
    if not pair.question.strip():
        return "empty_question", "no question"
    if not normal_form(pair.answer):
        return "empty_answer", f"nothing is left of {pair.answer!r} once normalised"
    if len(normal_form(pair.answer).split()) > 1:
        return "not_one_word", f"{pair.answer!r} has several words"
    if _FOREIGN_LETTER.search(pair.question + pair.answer):
        return "not_english", "letters that English does not use"
    if not _FUNCTION_WORDS & set(re.findall("[a-z]+", pair.question.lower())):
        return "not_english", "the question has no English function word"
    return None


def _image_problems(pairs: Sequence[Pair], check_image: Callable[[str], None]) -> dict[str, tuple[str, str]]:
    problems = {}
    for name in dict.fromkeys(pair.image_name for pair in pairs):
        try:
            check_image(name)
        except ImageError as error:
            problems[name] = (error.reason, error.detail)
    return problems
