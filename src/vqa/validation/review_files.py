"""The files of people's decisions → the decision that holds for each pair, and where reviewers differ."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError, named_first
from vqa.pairs.answer_normalization import is_missing, normalize_answer
from vqa.pairs.pair import parse_image_name
from vqa.validation.review import ACCEPT, ALSO_RIGHT, CORRECT, KINDS, Decision, Key, key_of

COLUMNS = ("image_name", "question", "answer", "decision", "corrected_answer")
_KNOWN = (*COLUMNS, "list", "decided_at", "reviewer", "image_sha256")
# As spreadsheets write it, by their country: 28/11/2026 10:00, 11/28/2026 10:00 AM, 28.11.2026 10:00
_TIME = re.compile(
    r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:\s*([ap])\.?m\.?)?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Word:
    """One row of a file: one decision on one pair."""

    key: Key
    answer: str  # of the pair, as it was decided on
    decision: Decision
    reviewer: str  # the file's name where the row names nobody
    time: datetime | None
    image: str  # first digits of the image's SHA-256 when it was decided on; "" where the row has none
    path: Path
    row: int  # from 1

    @property
    def outcome(self) -> tuple[str, str]:
        """Its outcome, by which decisions are compared. A second right answer leaves the first right."""
        kind = ACCEPT if self.decision.is_accepted else self.decision.kind
        return kind, normalize_answer(self.decision.answer)

    def __str__(self) -> str:
        answer = f" {self.decision.answer}" if self.decision.kind == CORRECT else ""
        second = "".join(f" {text}" for text in self.decision.also_right)
        return f"{self.reviewer}: {self.decision.kind}{answer}{second}"


@dataclass(frozen=True)
class Conflict:
    """A pair on which the last decisions of two reviewers differ."""

    key: Key
    answer: str  # as it was decided on
    was_kept: bool
    said: list[str]  # the last decision of each reviewer; the one that holds comes last


@dataclass(frozen=True)
class Reviews:
    """The decisions of all files together."""

    decisions: dict[Key, Decision]  # the one that holds for each pair
    conflicts: list[Conflict]
    reviewers: int
    on_other_images: list[Word]  # made for an image whose file has another content now; they do not count

    def counts(self) -> dict[str, int]:
        """For metrics/data.json."""
        return {
            "reviewers": self.reviewers,
            "conflicts": len(self.conflicts),
            "decisions_on_other_images": len(self.on_other_images),
            "second_right_answers": sum(len(decision.also_right) for decision in self.decisions.values()),
        }

    def sentences(self) -> list[str]:
        """Sentences for the user of validate; none if there is no problem."""
        sentences = []
        if self.conflicts:
            sentences.append(
                f"reviewers decide differently on {len(self.conflicts)} pairs, and the later decision holds: "
                "see Conflicts in data/vqa/review.html"
            )
        if self.on_other_images:
            names = list(dict.fromkeys(word.key[0] for word in self.on_other_images))
            sentences.append(
                f"{len(self.on_other_images)} decisions do not count: their images have changed since "
                f"({named_first(names)}); review these again"
            )
        return sentences


def read_reviews(folder: Path, image_id: Callable[[str], str] | None = None) -> Reviews:
    """Read every decision in the folder's CSV files, also as spreadsheets save them; the later holds.

    `image_id`: name → first digits of the SHA-256 of the image that is there now, "" where none is.

    Raises:
        InputError: the review page did not write a file, a decision or time is ambiguous, or of two decisions
            neither is the later one; no decision is skipped.
    """
    words = [word for path in _files_of_decisions(folder) for word in _words_in(path)]
    named = {word.key[0] for word in words if word.image} if image_id else set()
    now = {name: image_id(name) for name in named} if image_id else {}
    by_key: dict[Key, list[Word]] = {}
    stale = []
    for word in words:
        if word.image and now.get(word.key[0], "") not in ("", word.image):
            stale.append(word)
        else:
            by_key.setdefault(word.key, []).append(word)
    decisions, conflicts = {}, []
    for key, of_pair in by_key.items():
        last = _last_words(of_pair)
        decisions[key] = _holding(last)
        if len({word.outcome for word in last}) > 1:
            conflicts.append(Conflict(key, last[-1].answer, last[-1].decision.was_kept, list(map(str, last))))
    return Reviews(decisions, conflicts, len({word.reviewer for word in words}), stale)


def read_decisions(folder: Path) -> dict[Key, Decision]:
    """The decision that holds for each pair, as `read_reviews` finds it."""
    return read_reviews(folder).decisions


def _files_of_decisions(folder: Path) -> list[Path]:
    """Every file of the folder, except README files and hidden ones."""
    paths = sorted(path for path in folder.glob("*") if path.is_file())
    paths = [path for path in paths if not path.name.startswith((".", "README"))]
    for path in paths:
        if path.suffix.lower() != ".csv":
            raise InputError(f"{path} would not be read; name it .csv if it holds decisions, or remove it")
    return paths


def _words_in(path: Path) -> Iterable[Word]:
    for number, row in enumerate(read_rows(path, COLUMNS, _KNOWN), start=1):
        where = f"{path}, row {number}"
        kind = row["decision"].lower().replace("_", " ").replace("-", " ")
        given = row["corrected_answer"]
        if kind not in KINDS:
            raise InputError(f"{where}: decision is {row['decision']!r}; it must be {', '.join(KINDS)}")
        needs_answer = kind in (CORRECT, ALSO_RIGHT)
        if needs_answer and (len(normalize_answer(given).split()) != 1 or is_missing(given)):
            raise InputError(f"{where}: corrected_answer is {given!r}; give one word")
        decision = Decision(
            kind,
            given if kind == CORRECT else row["answer"],
            row.get("list", "kept") in ("kept", ""),
            (given,) if kind == ALSO_RIGHT else (),
        )
        yield Word(
            key_of(parse_image_name(row["image_name"]), row["question"], row["answer"]),
            row["answer"],
            decision,
            row.get("reviewer", "") or path.stem,
            _time(where, row.get("decided_at", "")),
            row.get("image_sha256", ""),
            path,
            number,
        )


def _last_words(words: Sequence[Word]) -> list[Word]:
    """The last decision of each reviewer, the latest of all at the end.

    Raises:
        InputError: it is not clear which decision is the last, and they differ.
    """
    earliest = datetime.min.replace(tzinfo=UTC)
    ordered = sorted(words, key=lambda word: (word.time or earliest, str(word.path), word.row))
    last = list({word.reviewer: word for word in ordered}.values())
    last.sort(key=ordered.index)
    final = last[-1]
    for word in ordered[:-1]:
        is_unclear = word.path != final.path and (word.time is None or word.time == final.time)
        if is_unclear and word.outcome != final.outcome:
            raise InputError(
                f"{final.path}, row {final.row} and {word.path}, row {word.row} decide differently on one "
                f"pair, and decided_at does not tell which is the later; remove one of them or mend its time"
            )
    return last


def _holding(last: Sequence[Word]) -> Decision:
    """The latest decision, with every second right answer in the reviewers' last decisions."""
    decision = last[-1].decision
    if not decision.is_accepted:
        return decision
    also_right = {normalize_answer(text): text for word in last for text in word.decision.also_right}
    kind = ALSO_RIGHT if also_right else ACCEPT
    return Decision(kind, decision.answer, decision.was_kept, tuple(also_right.values()))


def _time(where: str, text: str) -> datetime | None:
    """The time of a decision; UTC if it has no zone, None if the cell is empty.

    Raises:
        InputError: the text can be read as two days, or as none.
    """
    if not text:
        return None
    match = _TIME.fullmatch(text)
    try:
        time = _spreadsheet_time(match) if match and len(match[1]) < 4 else datetime.fromisoformat(text)
    except ValueError as error:
        problem = error.args[0] if match and len(match[1]) < 4 else "is no time"
        raise InputError(
            f"{where}: decided_at is {text!r}, which {problem}; write 2026-11-28 10:00"
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _spreadsheet_time(match: "re.Match[str]") -> datetime:
    """Raises ValueError with the reason where the day cannot be told."""
    first, second = int(match[1]), int(match[3])
    if len(match[4]) != 4:
        raise ValueError("has no year of four digits")
    if match[2] != "." and first <= 12 and second <= 12 and first != second:
        raise ValueError("may have its day or its month first")
    is_day_first = match[2] == "." or first > 12
    day, month = (first, second) if is_day_first else (second, first)
    hour, minute, seconds = (int(part or 0) for part in match.group(5, 6, 7))
    if match[8]:
        hour = hour % 12 + (12 if match[8].lower() == "p" else 0)
    try:
        return datetime(int(match[4]), month, day, hour, minute, seconds, tzinfo=UTC)
    except ValueError as error:
        raise ValueError("is no time") from error
