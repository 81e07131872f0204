"""Why a pair is rejected: RULES is the whole list, in the order in which they are applied.

Rules on text come first, so that no image is opened for a pair that they reject.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vqa.catalogue.images import ImageRecord, problem_of_name
from vqa.core.seeding import seeded_rank
from vqa.pairs.answer_normalization import is_missing, spreadsheet_kind, training_form
from vqa.pairs.pair import UNREADABLE, Pair
from vqa.pairs.question_types import find_hidden_topic
from vqa.settings import Validate

# Every English question has one of these words, measured on 42,000 real ones. The rule also finds answers
# that slipped into the question column ("Rectangular").
_FUNCTION_WORDS = frozenset(
    """
    a an and any are at can color contain contains count did do does has have how in is it made many much
    name of on or that the there this was what when where which who whose why with
    """.split()
)
# What is left of an answer that was cut short ("made of", "the"). Not on, off, in, up: they answer.
_CUT_SHORT = frozenset("an and are as at be by for from is it its of or that the these this to with".split())
_FOREIGN_LETTER = re.compile(r"[^\W\d_a-zA-Z]")
_OFFERS_CHOICE = re.compile(r"\bor\b|/|\(")  # "light or dark?" may name its answer
_YES_NO = frozenset({"yes", "no"})
_FEW = 20  # pairs; below this a share of all pairs is chance, and nothing is capped


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row to be filtered, with the normal forms that rules compare."""

    row: int
    pair: Pair
    question: str
    answer: str
    said: str  # the answer as it came, or as a person corrected it
    is_reviewed: bool  # a person accepted or corrected it
    also_right: tuple[str, ...] = ()  # as they came with the row, or as persons added them


@dataclass(frozen=True)
class Context:
    """What rules may use: their parameters, the model's token limit, and the images, once decoded."""

    limits: Validate
    too_long: Callable[[str, str], str] = lambda *_: ""  # why question and answer exceed the token limit
    images: Mapping[str, ImageRecord] = field(default_factory=dict)  # by name; none for rules on text


# Candidates that no earlier rule has rejected → row and detail of those that break the rule.
Broken = Iterable[tuple[int, str]]
Check = Callable[[Sequence[Candidate], Context], Broken]


@dataclass(frozen=True)
class Rule:
    """A reason to reject, and its check. A hard rule also applies to pairs that a person accepted."""

    reason: str
    check: Check
    is_hard: bool = False


def _each(detail_of: Callable[[Candidate, Validate], str | None]) -> Check:
    """A rule that checks one row at a time."""

    def check(standing: Sequence[Candidate], context: Context) -> Broken:
        limits = context.limits
        for candidate in standing:
            detail = detail_of(candidate, limits)
            if detail is not None:
                yield candidate.row, detail

    return check


def _unreadable_row(candidate: Candidate, limits: Validate) -> str | None:
    return dict(candidate.pair.extra).get(UNREADABLE) or None


def _bad_image_name(candidate: Candidate, limits: Validate) -> str | None:
    return problem_of_name(candidate.pair.image_name) or None


def _empty_question(candidate: Candidate, limits: Validate) -> str | None:
    if is_missing(candidate.pair.question):
        return f"{candidate.pair.question!r} is no question"
    return None if candidate.question else "no question"


def _empty_answer(candidate: Candidate, limits: Validate) -> str | None:
    return None if candidate.answer else f"nothing is left of {candidate.pair.answer!r} once normalised"


def _too_many_tokens(standing: Sequence[Candidate], context: Context) -> Broken:
    for candidate in standing:
        if detail := context.too_long(candidate.pair.question, training_form(candidate.said)):
            yield candidate.row, detail


def _not_one_word(candidate: Candidate, limits: Validate) -> str | None:
    words = len(candidate.answer.split())
    return None if words == 1 else f"{candidate.pair.answer!r} has {words} words"


def _answer_is_fragment(candidate: Candidate, limits: Validate) -> str | None:
    return f"{candidate.pair.answer!r} is cut short" if candidate.answer in _CUT_SHORT else None


def _no_information(candidate: Candidate, limits: Validate) -> str | None:
    is_none = is_missing(candidate.said) or candidate.answer in limits.no_answers
    return f"{candidate.said!r} is no answer" if is_none else None


def _spreadsheet_value(candidate: Candidate, limits: Validate) -> str | None:
    """A spreadsheet's date was a fraction or a range, its TRUE perhaps a word: the original is lost."""
    kind = spreadsheet_kind(candidate.said)
    return (
        f"{candidate.said!r} is a spreadsheet's {kind.replace('_', ' ')}; what stood there is lost"
        if kind
        else None
    )


def _question_is_fragment(candidate: Candidate, limits: Validate) -> str | None:
    words = re.findall("[a-z]+", candidate.pair.question.lower())
    has_foreign = _FOREIGN_LETTER.search(candidate.pair.question)
    is_fragment = len(words) <= 2 and not has_foreign and not _FUNCTION_WORDS & set(words)
    return "no question, but a word or two" if is_fragment else None


def _not_english(candidate: Candidate, limits: Validate) -> str | None:
    if not limits.english_only:
        return None
    if _FOREIGN_LETTER.search(candidate.pair.question + candidate.pair.answer):
        return "letters that English does not use"
    words = set(re.findall("[a-z]+", candidate.pair.question.lower()))
    return None if _FUNCTION_WORDS & words else "the question has no English function word"


def _answer_in_question(candidate: Candidate, limits: Validate) -> str | None:
    if limits.allow_answer_in_question or _OFFERS_CHOICE.search(candidate.pair.question.lower()):
        return None
    is_given = candidate.answer in candidate.question.split()
    return f"the question says {candidate.answer!r} itself" if is_given else None


def _not_visible(candidate: Candidate, limits: Validate) -> str | None:
    topic = find_hidden_topic(candidate.pair.question, limits.not_visible)
    return f"asks about {topic.replace('_', ' ')}" if topic else None


def _image(reason: str) -> Check:
    def check(standing: Sequence[Candidate], context: Context) -> Broken:
        for candidate in standing:
            image = context.images[candidate.pair.image_name]
            if image.problem == reason:
                yield candidate.row, image.detail

    return check


def _image_too_small(standing: Sequence[Candidate], context: Context) -> Broken:
    for candidate in standing:
        image = context.images[candidate.pair.image_name]
        if min(image.width, image.height) < context.limits.min_image_side:
            yield candidate.row, f"{image.width}×{image.height} pixels"


def _conflicting_answers(standing: Sequence[Candidate], context: Context) -> Broken:
    for group in _grouped(standing, lambda c: (c.pair.image_name, c.question)):
        if len({candidate.answer for candidate in group}) == 1:
            continue
        reviewed = {candidate.answer for candidate in group if candidate.is_reviewed}
        answers = " / ".join(sorted({candidate.answer for candidate in group}))
        for candidate in group:
            if not (len(reviewed) == 1 and candidate.answer in reviewed):
                yield candidate.row, answers


def _duplicate(standing: Sequence[Candidate], context: Context) -> Broken:
    for group in _grouped(standing, lambda c: (c.pair.image_name, c.question)):
        first = min(group, key=lambda c: (not c.is_reviewed, c.row))
        yield from ((c.row, "same question and answer for this image") for c in group if c is not first)


def _near_duplicate(standing: Sequence[Candidate], context: Context) -> Broken:
    """Same answer, nearly the same words: one question worded twice, not "left shoe" and "right shoe"."""
    least = context.limits.min_question_jaccard
    for group in _grouped(standing, lambda c: (c.pair.image_name, c.answer)):
        first_wordings: list[tuple[set[str], str]] = []
        for candidate in sorted(group, key=lambda c: (not c.is_reviewed, c.row)):
            words = set(candidate.question.split())
            near = next((q for w, q in first_wordings if len(words & w) >= least * len(words | w)), None)
            if near is None:
                first_wordings.append((words, candidate.pair.question))
            else:
                yield candidate.row, f"says {near!r} again"


def _too_many_of_image(standing: Sequence[Candidate], context: Context) -> Broken:
    most = context.limits.max_pairs_per_image
    for group in _grouped(standing, lambda c: c.pair.image_name):
        detail = f"{len(group)} pairs of this image"
        yield from ((row, detail) for row in _surplus(group, most, context.limits.seed))


def _too_many_of_answer(standing: Sequence[Candidate], context: Context) -> Broken:
    most = max(_FEW, int(context.limits.max_answer_share * len(standing)))
    for group in _grouped((c for c in standing if c.answer not in _YES_NO), lambda c: c.answer):
        detail = f"{len(group)} answers {group[0].answer!r}"
        yield from ((row, detail) for row in _surplus(group, most, context.limits.seed))


def _too_many_yes_no(standing: Sequence[Candidate], context: Context) -> Broken:
    group = [candidate for candidate in standing if candidate.answer in _YES_NO]
    most = max(_FEW, int(context.limits.max_yes_no_share * len(standing)))
    detail = f"{len(group)} yes/no answers"
    return ((row, detail) for row in _surplus(group, most, context.limits.seed))


def _grouped(candidates: Iterable[Candidate], key: Callable[[Candidate], Hashable]) -> list[list[Candidate]]:
    """Groups of two or more that share `key`."""
    groups: dict[Hashable, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[key(candidate)].append(candidate)
    return [group for group in groups.values() if len(group) > 1]


def _surplus(group: Sequence[Candidate], most: int, seed: int) -> list[int]:
    """Rows over `most`, drawn by seed and pair, so that the draw does not depend on the order."""
    if len(group) <= most:
        return []

    def draw(candidate: Candidate) -> tuple[bool, str]:
        name = f"{candidate.pair.image_name}/{candidate.question}"
        return not candidate.is_reviewed, seeded_rank(seed, name)

    return [candidate.row for candidate in sorted(group, key=draw)[most:]]


RULES_ON_TEXT = (
    Rule("unreadable_row", _each(_unreadable_row), is_hard=True),
    Rule("bad_image_name", _each(_bad_image_name), is_hard=True),
    Rule("empty_question", _each(_empty_question), is_hard=True),
    Rule("empty_answer", _each(_empty_answer), is_hard=True),
    Rule("too_many_tokens", _too_many_tokens, is_hard=True),
    Rule("no_information", _each(_no_information)),
    Rule("spreadsheet_value", _each(_spreadsheet_value)),
    Rule("not_one_word", _each(_not_one_word)),
    Rule("answer_is_fragment", _each(_answer_is_fragment)),
    Rule("question_is_fragment", _each(_question_is_fragment)),
    Rule("not_english", _each(_not_english)),
    Rule("answer_in_question", _each(_answer_in_question)),
    Rule("not_visible", _each(_not_visible)),
)
RULES_ON_IMAGES = (  # on their files, then on the pairs that share one, or an answer
    Rule("image_missing", _image("image_missing"), is_hard=True),
    Rule("image_truncated", _image("image_truncated"), is_hard=True),
    Rule("image_unreadable", _image("image_unreadable"), is_hard=True),
    Rule("image_too_large", _image("image_too_large"), is_hard=True),
    Rule("image_too_small", _image_too_small, is_hard=True),
    Rule("conflicting_answers", _conflicting_answers, is_hard=True),
    Rule("duplicate", _duplicate, is_hard=True),
    Rule("near_duplicate", _near_duplicate),
    Rule("too_many_of_image", _too_many_of_image),
    Rule("too_many_of_answer", _too_many_of_answer),
    Rule("too_many_yes_no", _too_many_yes_no),
)
RULES = RULES_ON_TEXT + RULES_ON_IMAGES
