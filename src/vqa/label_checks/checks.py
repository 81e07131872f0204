"""Pairs heard: what every label check says of each, kept by label check, and the support levels that
follow."""

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
    """Label check → its statement on each of `pairs`, in their order."""

    pairs: Sequence[Pair]
    guesses: Sequence[Guess]  # behind the label check `wording`
    checks: Mapping[str, Sequence[Vote]]

    def votes_on(self, number: int) -> dict[str, Vote]:
        """What each label check says of a pair."""
        return {check: said[number] for check, said in self.checks.items()}

    def support_levels(self) -> list[Support]:
        """The support level on each pair."""
        said = map(self.votes_on, range(len(self.pairs)))
        return [Support(decide_support(of_pair), needs_image(of_pair)) for of_pair in said]

    def cells(self, number: int) -> dict[str, str]:
        """What was said of a pair, as columns of its row."""
        found = {}
        for check, said in self.votes_on(number).items():
            found[check], found[f"{check}_evidence"] = said.says, said.evidence
        guess = self.guesses[number]
        return found | {
            "wording_probability": f"{guess.probability:.4f}",
            "label_probability": f"{guess.of_label:.4f}",
        }

    def sentences(self, number: int) -> list[str]:
        """The same in words, for a page; silent label checks are left out."""
        guess = self.guesses[number]
        found = [
            f"{check.replace('_', ' ')} {said.says}: {said.evidence}"
            for check, said in self.votes_on(number).items()
            if said.says and check != "question_only"
        ]
        by_wording = f"by its words alone: {guess.answer} ({guess.probability:.0%})"
        label = "" if self.checks["question_only"][number].says else f", this answer {guess.of_label:.0%}"
        return [*found, by_wording + label]


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
    """What each label check says of `pairs`.

    Args:
        known: pairs that wording is learnt from.
        rows: those of the CSV, among which twins are looked for.
        opinions: by label check, another model's answers by image and question.
        similarity, same_meaning: how near words are, and from where they mean the same.
    """
    wording = guesses(known, pairs, folds)
    checks = {
        "catalogue": listing.votes(pairs, listed, similarity, same_meaning),
        **{
            check: opinion.votes(pairs, answers, similarity, same_meaning)
            for check, answers in opinions.items()
        },
        "duplicate_question": consistency.votes(pairs, rows),
        "question_only": question_only_votes(pairs, wording),
    }
    return LabelChecks(pairs, wording, checks)


def question_only_votes(pairs: Sequence[Pair], guesses: Sequence[Guess]) -> list[Vote]:
    """The label check that never saw the image: agrees where its guess is the answer, and never
    contradicts."""
    return [
        Vote(AGREES if guess.answer == normalize_answer(pair.answer) != "" else "", guess.answer)
        for pair, guess in zip(pairs, guesses, strict=True)
    ]
