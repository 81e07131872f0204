"""Pairs → the votes of every label check, and the support levels that follow from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vqa.label_checks import consistency, listing
from vqa.label_checks import second_opinion as opinion
from vqa.label_checks.listing import Catalogue, Similarity
from vqa.label_checks.question_only import Guess, guesses
from vqa.label_checks.support import decide_support, needs_image
from vqa.label_checks.vote import AGREES, Vote
from vqa.pairs.answer_normalization import normalize_answer
from vqa.pairs.pair import Pair
from vqa.pairs.support import Support


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
            check: opinion.votes(pairs, answers, similarity, same_meaning)
            for check, answers in opinions.items()
        },
        "duplicate_question": consistency.votes(pairs, rows),
        "question_only": question_only_votes(pairs, priors),
    }
    return LabelChecks(pairs, priors, checks)


def question_only_votes(pairs: Sequence[Pair], guesses: Sequence[Guess]) -> list[Vote]:
    """The label check without the image: it agrees where its guess is the answer, and never contradicts."""
    return [
        Vote(AGREES if guess.answer == normalize_answer(pair.answer) != "" else "", guess.answer)
        for pair, guess in zip(pairs, guesses, strict=True)
    ]
