"""Another model's answer against the label."""

from collections.abc import Sequence

import pytest

from vqa.label_checks.checks import opinion_votes
from vqa.pairs.pair import Pair


def alike(answers: Sequence[str], stated: Sequence[str]) -> list[float]:
    return [0.9 if {a, s} == {"sofa", "couch"} else 0.1 for a, s in zip(answers, stated, strict=True)]


@pytest.mark.parametrize(
    ("question_type", "label", "said", "says"),
    [
        ("color", "red", "red", "agrees"),
        ("color", "navy", "blue", "agrees"),
        ("color", "blue", "navy", "agrees"),
        ("color", "teal", "navy", ""),  # may be said of one thing
        ("color", "red", "blue", "contradicts"),
        ("shape", "rectangle", "rectangular", "agrees"),
        ("shape", "round", "square", "contradicts"),
        ("category", "sandals", "sandal", "agrees"),
        ("category", "sofa", "couch", "agrees"),  # by their meaning
        ("category", "sofa", "lamp", "contradicts"),
        ("color", "sofa", "couch", "contradicts"),  # of colours MiniLM is not asked
        ("count", "4", "4", "agrees"),
        ("count", "4", "3", "contradicts"),
        ("color", "red", "", ""),  # not asked, or not known
    ],
)
def test_an_opinion_agrees_by_meaning_and_contradicts_what_cannot_be_the_same(
    question_type: str, label: str, said: str, says: str
) -> None:
    pair = Pair("a.jpg", "What?", label, question_type)
    (found,) = opinion_votes([pair], {pair.key: said} if said else {}, alike, 0.5)
    assert found.says == says
    assert found.evidence == said
