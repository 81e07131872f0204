"""Pairs → the votes of every label check, and the support levels that follow from them.

The label check for duplicate questions: does another row of the CSV answer the same question otherwise?

Two questions about one image are the same if their words are, except those that only frame them: "What color
is the mug?" and "Which color does the mug have?".

The label check by another model's answers, with the image or without.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vqa.label_checks import listing
from vqa.label_checks.listing import Catalogue, Similarity
from vqa.label_checks.meanings import MEANINGS, compared, singular, words_of
from vqa.label_checks.question_only import Guess, guesses
from vqa.label_checks.vote import AGREES, CONTRADICTS, SILENT, Vote, decide_support, needs_image
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair, Support


def opinion_votes(
    pairs: Sequence[Pair], answers: Mapping[tuple[str, str], str], similarity: Similarity, least: float
) -> list[Vote]:
    """Compare each pair's answer with the model's (`answers`, by image and question).

    It abstains where the model was not asked or did not know, and where both words can be true of one thing:
    navy and teal. Words that the table lacks, except colours, agree if their `similarity` is `least` or more.
    """
    votes_on_pairs = [_opinion_vote(pair, answers.get(pair.key, "")) for pair in pairs]
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


def _opinion_vote(pair: Pair, said: str) -> Vote:
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


_FRAMING = frozenset(
    """
    a an and any appear appears are be can come comes do does for from has have in is it of on see seen shown
    the there this to used visible what which with you
    """.split()
)


def duplicate_votes(pairs: Sequence[Pair], rows: Sequence[Pair]) -> list[Vote]:
    """Compare each pair with the answers to the same question in other `rows` of the CSV.

    `pairs` were made from `rows`. A pair's own row does not count, even where a person corrected its answer.
    """
    asked = {question: _asked(question) for question in {row.question for row in [*pairs, *rows]}}
    times = Counter((row.image_name, asked[row.question]) for row in rows)
    answers: dict[tuple[str, frozenset[str]], Counter[tuple[str, str]]] = defaultdict(Counter)
    for row in rows:
        key = row.image_name, asked[row.question]
        if times[key] > 1 and (answer := normalize_answer(row.answer)):
            answers[key][normalize_answer(row.question), answer] += 1
    votes_on_pairs = []
    for pair in pairs:
        others = answers.get((pair.image_name, asked[pair.question]))
        votes_on_pairs.append(_duplicate_vote(pair, others) if others else SILENT)
    return votes_on_pairs


def _duplicate_vote(pair: Pair, answers: Counter[tuple[str, str]]) -> Vote:
    question, answer = normalize_answer(pair.question), normalize_answer(pair.answer)
    others = answers.copy()
    own = (question, answer) if others[question, answer] else None
    own = own or next((row for row in sorted(others) if row[0] == question), None)
    if own:
        others[own] -= 1
    given_answers = {given for (_, given), times in others.items() if times > 0}
    if not given_answers:
        return SILENT
    return Vote(AGREES if given_answers == {answer} else CONTRADICTS, " / ".join(sorted(given_answers)))


def _asked(question: str) -> frozenset[str]:
    return frozenset(singular(word) for word in words_of(question) if word not in _FRAMING)


@dataclass(frozen=True)
class LabelChecks:
    """The votes of each label check on `pairs`, in their order."""

    pairs: Sequence[Pair]
    guesses: Sequence[Guess]  # behind the label check `question_only`
    checks: Mapping[str, Sequence[Vote]]

    def votes_on(self, number: int) -> dict[str, Vote]:
        """The vote of each label check on one pair."""
        return {check: votes[number] for check, votes in self.checks.items()}

    def support_levels(self) -> list[Support]:
        """The support level of each pair."""
        votes = map(self.votes_on, range(len(self.pairs)))
        return [Support(decide_support(of_pair), needs_image(of_pair)) for of_pair in votes]

    def cells(self, number: int) -> dict[str, str]:
        """The votes on one pair, as columns of its row."""
        cells = {}
        for check, vote in self.votes_on(number).items():
            cells[check], cells[f"{check}_evidence"] = vote.says, vote.evidence
        guess = self.guesses[number]
        return cells | {
            "wording_probability": f"{guess.probability:.4f}",
            "label_probability": f"{guess.of_label:.4f}",
        }

    def sentences(self, number: int) -> list[str]:
        """The votes on one pair in words, for a page; label checks that abstain are left out."""
        guess = self.guesses[number]
        sentences = [
            f"{check.replace('_', ' ')} {vote.says}: {vote.evidence}"
            for check, vote in self.votes_on(number).items()
            if vote.says and check != "question_only"
        ]
        by_wording = f"by the question alone: {guess.answer} ({guess.probability:.0%})"
        label = "" if self.checks["question_only"][number].says else f", this answer {guess.of_label:.0%}"
        return [*sentences, by_wording + label]


def run_label_checks(
    known: Sequence[Pair],
    pairs: Sequence[Pair],
    rows: Sequence[Pair],
    listed: Catalogue,
    opinions: Mapping[str, Mapping[tuple[str, str], str]],
    similarity: Similarity,
    folds: int,
    same_meaning: float,
) -> LabelChecks:
    """Run every label check on `pairs`.

    Args:
        known: pairs that the question-only prior is fitted on.
        rows: those of the CSV, among which duplicate questions are looked for.
        opinions: by label check, another model's answers by image and question.
        similarity, same_meaning: how similar words are, and from which similarity on they mean the same.
    """
    priors = guesses(known, pairs, folds)
    checks = {
        "catalogue": listing.votes(pairs, listed, similarity, same_meaning),
        **{
            check: opinion_votes(pairs, answers, similarity, same_meaning)
            for check, answers in opinions.items()
        },
        "duplicate_question": duplicate_votes(pairs, rows),
        "question_only": question_only_votes(pairs, priors),
    }
    return LabelChecks(pairs, priors, checks)


def question_only_votes(pairs: Sequence[Pair], guesses: Sequence[Guess]) -> list[Vote]:
    """The label check without the image: it agrees where its guess is the answer, and never contradicts."""
    return [
        Vote(AGREES if guess.answer == normalize_answer(pair.answer) != "" else "", guess.answer)
        for pair, guess in zip(pairs, guesses, strict=True)
    ]
