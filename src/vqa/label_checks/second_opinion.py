"""The label check by another model's answers, with the image or without."""

from collections.abc import Mapping, Sequence

from vqa.label_checks.listing import Similarity
from vqa.label_checks.meanings import MEANINGS, compared, singular
from vqa.label_checks.vote import AGREES, CONTRADICTS, SILENT, Vote
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair


def votes(
    pairs: Sequence[Pair], answers: Mapping[tuple[str, str], str], similarity: Similarity, least: float
) -> list[Vote]:
    """Compare each pair's answer with the model's (`answers`, by image and question).

    It abstains where the model was not asked or did not know, and where both words can be true of one thing:
    navy and teal. Words that the table lacks, except colours, agree if their `similarity` is `least` or more.
    """
    votes_on_pairs = [_vote(pair, answers.get(pair.key, "")) for pair in pairs]
    doubtful = [
        number
        for number, vote in enumerate(votes_on_pairs)
        if vote.says == CONTRADICTS and _is_unknown(pairs[number], vote.evidence)
    ]
    labels = [normalize_answer(pairs[number].answer) for number in doubtful]
    likeness = (
        similarity([votes_on_pairs[number].evidence for number in doubtful], labels) if doubtful else []
    )
    for number, like in zip(doubtful, likeness, strict=True):
        if like >= least:
            votes_on_pairs[number] = Vote(AGREES, votes_on_pairs[number].evidence)
    return votes_on_pairs


def _vote(pair: Pair, said: str) -> Vote:
    if not said:
        return SILENT
    label = normalize_answer(pair.answer)
    if singular(said) == singular(label):
        return Vote(AGREES, said)
    if pair.question_type not in MEANINGS:
        return Vote(CONTRADICTS, said)
    says = {compared(pair.question_type, *words) for words in ((label, said), (said, label))}
    if AGREES in says:
        return Vote(AGREES, said)
    is_near = MEANINGS[pair.question_type].are_near(label, said)
    return Vote("" if is_near else CONTRADICTS, said)


def _is_unknown(pair: Pair, said: str) -> bool:
    """Whether the table cannot compare the two words; digits need no table."""
    if pair.question_type == "color" or said.isdigit():
        return False
    meanings = MEANINGS.get(pair.question_type)
    return meanings is None or not (meanings.of(normalize_answer(pair.answer)) and meanings.of(said))
