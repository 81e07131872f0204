"""The systems that are compared, and the differences that are reported: the one list of each."""

from dataclasses import dataclass
from pathlib import Path

_PREDICTIONS = Path("data/predictions")
# Held-out pairs that are judged once more by themselves → their title.
SUBSETS = {"confirmed": "label confirmed", "needs_picture": "picture needed"}


@dataclass(frozen=True)
class System:
    """Something that answers the held-out questions."""

    key: str  # of its scores in metrics
    title: str
    short_title: str  # where there is little room
    sees: str
    answers: Path | None = None  # its predictions; None: guessed from the training pairs (blind_guesses)
    stage: str = ""  # that writes them
    is_column: bool = True  # of tables that give a question type or a catalogue a line


@dataclass(frozen=True)
class Difference:
    """What one system scores above another."""

    key: str  # in metrics
    ours: System
    theirs: System
    is_column: bool = False  # of the same tables

    @property
    def title(self) -> str:
        return f"{self.ours.short_title} − {self.theirs.short_title}"


BASE = System(
    key="baseline",
    title="base model",
    short_title="base",
    sees="picture and question",
    answers=_PREDICTIONS / "baseline.csv",
    stage="answer_base",
)
ADAPTED = System(
    key="lora",
    title="with LoRA adapter",
    short_title="LoRA",
    sees="picture and question",
    answers=_PREDICTIONS / "lora.csv",
    stage="answer_adapted",
)
BLIND = System(
    key="blind",
    title="adapter, features zeroed",
    short_title="blind",
    sees="question",
    answers=_PREDICTIONS / "blind.csv",
    stage="answer_adapted",
)
WRONG_IMAGE = System(
    key="wrong_image",
    title="adapter, another picture",
    short_title="another picture",
    sees="another picture and question",
    answers=_PREDICTIONS / "wrong_image.csv",
    stage="answer_adapted",
    is_column=False,
)
PICTURE_ALONE = System(
    key="picture_alone",
    title="adapter, nothing asked",
    short_title="picture alone",
    sees="picture",
    answers=_PREDICTIONS / "picture_alone.csv",
    stage="answer_adapted",
    is_column=False,
)
TEXT_ONLY = System("text_only", "text-only neighbours", "text-only", sees="question")
MAJORITY = System("majority", "majority per type", "majority", sees="type of the question")

TO_BASE = Difference("delta", ADAPTED, BASE)
TO_BLIND = Difference("delta_to_blind", ADAPTED, BLIND, is_column=True)
TO_WRONG_IMAGE = Difference("delta_to_wrong_image", ADAPTED, WRONG_IMAGE)
TO_PICTURE_ALONE = Difference("delta_to_picture_alone", ADAPTED, PICTURE_ALONE)
TO_TEXT_ONLY = Difference("delta_to_text_only", ADAPTED, TEXT_ONLY, is_column=True)

SYSTEMS = (BASE, ADAPTED, BLIND, WRONG_IMAGE, PICTURE_ALONE, TEXT_ONLY, MAJORITY)
DIFFERENCES = (TO_BASE, TO_BLIND, TO_WRONG_IMAGE, TO_PICTURE_ALONE, TO_TEXT_ONLY)
