"""Pairs heard: what every witness says of each, kept by witness, and the verdicts that follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair
from vqa.pairs.verdicts import Verdict
from vqa.verification import catalogue, twins
from vqa.verification import opinions as opinion
from vqa.verification.catalogue import Catalogue, Similarity
from vqa.verification.statement import AGREES, Statement
from vqa.verification.verdict import needs_picture, verdict_on
from vqa.wording.crossfit import Guess, guesses


@dataclass(frozen=True)
class Hearing:
    """Witness → its statement on each of `pairs`, in their order."""

    pairs: Sequence[Pair]
    guesses: Sequence[Guess]  # behind the witness `wording`
    witnesses: Mapping[str, Sequence[Statement]]

    def said_of(self, number: int) -> dict[str, Statement]:
        """What each witness says of a pair."""
        return {witness: said[number] for witness, said in self.witnesses.items()}

    def verdicts(self) -> list[Verdict]:
        """The verdict on each pair."""
        said = map(self.said_of, range(len(self.pairs)))
        return [Verdict(verdict_on(of_pair), needs_picture(of_pair)) for of_pair in said]

    def cells(self, number: int) -> dict[str, str]:
        """What was said of a pair, as columns of its row."""
        found = {}
        for witness, said in self.said_of(number).items():
            found[witness], found[f"{witness}_evidence"] = said.says, said.evidence
        guess = self.guesses[number]
        return found | {
            "wording_probability": f"{guess.probability:.4f}",
            "label_probability": f"{guess.of_label:.4f}",
        }

    def sentences(self, number: int) -> list[str]:
        """The same in words, for a page; silent witnesses are left out."""
        guess = self.guesses[number]
        found = [
            f"{witness.replace('_', ' ')} {said.says}: {said.evidence}"
            for witness, said in self.said_of(number).items()
            if said.says and witness != "wording"
        ]
        by_wording = f"by its words alone: {guess.answer} ({guess.probability:.0%})"
        label = "" if self.witnesses["wording"][number].says else f", this answer {guess.of_label:.0%}"
        return [*found, by_wording + label]


def heard(
    known: Sequence[Pair],
    pairs: Sequence[Pair],
    rows: Sequence[Pair],
    listed: Catalogue,
    opinions: Mapping[str, Mapping[tuple[str, str], str]],
    similarity: Similarity,
    folds: int,
    same_meaning: float,
) -> Hearing:
    """What each witness says of `pairs`.

    Args:
        known: pairs that wording is learnt from.
        rows: those of the CSV, among which twins are looked for.
        opinions: by witness, another model's answers by picture and question.
        similarity, same_meaning: how near words are, and from where they mean the same.
    """
    wording = guesses(known, pairs, folds)
    witnesses = {
        "catalogue": catalogue.statements(pairs, listed, similarity, same_meaning),
        **{
            witness: opinion.statements(pairs, answers, similarity, same_meaning)
            for witness, answers in opinions.items()
        },
        "twin": twins.statements(pairs, rows),
        "wording": wording_statements(pairs, wording),
    }
    return Hearing(pairs, wording, witnesses)


def wording_statements(pairs: Sequence[Pair], guesses: Sequence[Guess]) -> list[Statement]:
    """The witness that never saw the picture: agrees where its guess is the answer, and never contradicts."""
    return [
        Statement(AGREES if guess.answer == normal_form(pair.answer) != "" else "", guess.answer)
        for pair, guess in zip(pairs, guesses, strict=True)
    ]
