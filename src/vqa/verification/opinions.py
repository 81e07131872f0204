"""Another model's answers as a witness, with the picture or without."""

from collections.abc import Mapping, Sequence

from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair
from vqa.verification.catalogue import Similarity
from vqa.verification.meanings import MEANINGS, compared, singular
from vqa.verification.statement import AGREES, CONTRADICTS, SILENT, Statement


def statements(
    pairs: Sequence[Pair], answers: Mapping[tuple[str, str], str], similarity: Similarity, least: float
) -> list[Statement]:
    """What the model said to each pair's question (`answers`, by picture and question), against its answer.

    Silent where it was not asked or did not know, and where the two may be said of one thing: navy and teal.
    Words that the table lacks agree where `similarity` gives them `least` or more, but for colours.
    """
    found = [_statement(pair, answers.get(pair.key, "")) for pair in pairs]
    doubtful = [
        number
        for number, statement in enumerate(found)
        if statement.says == CONTRADICTS and _is_unknown(pairs[number], statement.evidence)
    ]
    labels = [normal_form(pairs[number].answer) for number in doubtful]
    likeness = similarity([found[number].evidence for number in doubtful], labels) if doubtful else []
    for number, like in zip(doubtful, likeness, strict=True):
        if like >= least:
            found[number] = Statement(AGREES, found[number].evidence)
    return found


def _statement(pair: Pair, said: str) -> Statement:
    if not said:
        return SILENT
    label = normal_form(pair.answer)
    if singular(said) == singular(label):
        return Statement(AGREES, said)
    if pair.question_type not in MEANINGS:
        return Statement(CONTRADICTS, said)
    says = {compared(pair.question_type, *words) for words in ((label, said), (said, label))}
    if AGREES in says:
        return Statement(AGREES, said)
    is_near = MEANINGS[pair.question_type].are_near(label, said)
    return Statement("" if is_near else CONTRADICTS, said)


def _is_unknown(pair: Pair, said: str) -> bool:
    """Whether the table cannot compare the two words; digits it need not."""
    if pair.question_type == "color" or said.isdigit():
        return False
    meanings = MEANINGS.get(pair.question_type)
    return meanings is None or not (meanings.of(normal_form(pair.answer)) and meanings.of(said))
