"""What people decided on pairs: their files, the last word on a pair, how many they accepted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from vqa.foundation.csv_tables import read_rows
from vqa.foundation.errors import InputError
from vqa.pairs.normal_form import normal_form
from vqa.pairs.pair import Pair, image_name_of
from vqa.pairs.question_types import question_type_of

VERDICTS = ("accept", "reject", "correct")
COLUMNS = ("image_name", "question", "answer", "decision", "corrected_answer")
_KNOWN = (*COLUMNS, "list", "decided_at")


@dataclass(frozen=True)
class Decision:
    """A person's word on one pair."""

    verdict: str  # one of VERDICTS
    answer: str  # the right one; for accept and reject the pair's own
    was_kept: bool  # it was in the sample of kept pairs, not among the rejects


Key = tuple[str, str, str]


def key_of(image_name: str, question: str, answer: str) -> Key:
    """What a decision is remembered by; the answer counts, since conflicting rows share the rest."""
    return image_name, question, normal_form(answer)


def read_decisions(folder: Path) -> dict[Key, Decision]:
    """Every decision in the folder's CSV files, also where a spreadsheet saved them; of two on one pair the
    one made later holds.

    Raises:
        InputError: a file that the review page did not write, or a decision it does not know; no decision
            is passed over.
    """
    found: list[tuple[str, Key, Decision]] = []
    for path in _files_of_decisions(folder):
        for number, row in enumerate(read_rows(path, COLUMNS, _KNOWN), start=1):
            verdict, corrected = row["decision"], row["corrected_answer"]
            if verdict not in VERDICTS:
                raise InputError(
                    f"{path}, row {number}: decision is {verdict!r}; it must be {', '.join(VERDICTS)}"
                )
            if verdict == "correct" and len(normal_form(corrected).split()) != 1:
                raise InputError(f"{path}, row {number}: corrected_answer is {corrected!r}; give one word")
            answer = corrected if verdict == "correct" else row["answer"]
            key = key_of(image_name_of(row["image_name"]), row["question"], row["answer"])
            decision = Decision(verdict, answer, row.get("list", "kept") == "kept")
            found.append((row.get("decided_at", ""), key, decision))
    found.sort(key=lambda entry: entry[0])
    return {key: decision for _, key, decision in found}


def _files_of_decisions(folder: Path) -> list[Path]:
    """Every file of the folder but what explains it (README…) and hidden ones."""
    paths = sorted(path for path in folder.glob("*") if path.is_file())
    paths = [path for path in paths if not path.name.startswith((".", "README"))]
    for path in paths:
        if path.suffix.lower() != ".csv":
            raise InputError(f"{path} would not be read; name it .csv if it holds decisions, or remove it")
    return paths


def decision_on(pair: Pair, decisions: Mapping[Key, Decision]) -> Decision | None:
    """The last word on a pair: a corrected answer may have been reviewed again."""
    decision = decisions.get(key_of(pair.image_name, pair.question, pair.answer))
    met = {normal_form(pair.answer)}
    while decision and decision.verdict == "correct" and normal_form(decision.answer) not in met:
        met.add(normal_form(decision.answer))
        again = decisions.get(key_of(pair.image_name, pair.question, decision.answer))
        if again is None:
            break
        decision = replace(again, was_kept=decision.was_kept)
    return decision


def reviewed_pairs(
    kept: Iterable[Pair], rows: Iterable[Pair], decisions: Mapping[Key, Decision]
) -> list[tuple[Pair, bool]]:
    """The sampled pairs that people decided on, as they stood then, and whether they found each one wrong.

    `kept`: tells the split groups; `rows`: those of generated.csv, without which a decision is on nothing.
    """
    group_of = {pair.image_name: pair.split_group for pair in kept}
    found = {}
    for row in rows:
        key = key_of(row.image_name, row.question, row.answer)
        decision = decisions.get(key)
        if decision and decision.was_kept:
            pair = replace(
                row,
                answer=normal_form(row.answer),
                question_type=row.question_type or question_type_of(row.question),
                split_group=group_of.get(row.image_name, ""),
            )
            found[key] = pair, decision.verdict != "accept"
    return list(found.values())


def acceptance(decisions: Mapping[Key, Decision], pairs: Iterable[Pair]) -> dict[str, Any]:
    """How many sampled pairs a person accepted as they stood, with a 95 % Wilson interval.

    Source: E. B. Wilson 1927; the sample is proportional to the question types, so it needs no weights.
    """
    present = {key_of(pair.image_name, pair.question, pair.answer) for pair in pairs}
    present |= {
        key_of(image, question, decision.answer)
        for (image, question, _), decision in decisions.items()
        if decision.verdict == "correct"
    }
    sampled = [decision for decision in decisions.values() if decision.was_kept]
    accepted = sum(decision.verdict == "accept" for decision in sampled)
    result: dict[str, Any] = {
        "decisions": dict(sorted(Counter(decision.verdict for decision in decisions.values()).items())),
        "decisions_on_absent_pairs": sum(key not in present for key in decisions),
    }
    if sampled:
        interval = binomtest(accepted, len(sampled)).proportion_ci(method="wilson")
        result["acceptance"] = round(accepted / len(sampled), 4)
        result["acceptance_ci95"] = [round(float(interval.low), 4), round(float(interval.high), 4)]
        result["reviewed"] = len(sampled)
    return result
