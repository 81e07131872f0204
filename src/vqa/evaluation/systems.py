"""The systems that are compared, and the differences that are reported: the one list of each."""

from dataclasses import dataclass
from pathlib import Path

_PREDICTIONS = Path("data/predictions")
# Held-out pairs that are evaluated once more by themselves → their title.
SUBSETS = {"supported": "label supported", "needs_image": "image needed"}


@dataclass(frozen=True)
class System:
    """Something that answers the held-out questions."""

    key: str  # of its scores in metrics
    title: str
    sees: str
    answers: Path | None = None  # its predictions; None: guessed from the training pairs (guesses.py)
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
        return f"{self.ours.title} − {self.theirs.title}"


BASELINE = System(
    key="baseline",
    title="baseline",
    sees="image and question",
    answers=_PREDICTIONS / "baseline.csv",
    stage="answer_base",
)
LORA = System(
    key="lora",
    title="LoRA",
    sees="image and question",
    answers=_PREDICTIONS / "lora.csv",
    stage="answer_adapted",
)
ZERO_IMAGE = System(
    key="zero_image",
    title="zero image",
    sees="question",
    answers=_PREDICTIONS / "zero_image.csv",
    stage="answer_adapted",
)
SHUFFLED_IMAGE = System(
    key="shuffled_image",
    title="shuffled image",
    sees="another product's image, and question",
    answers=_PREDICTIONS / "shuffled_image.csv",
    stage="answer_adapted",
    is_column=False,
)
IMAGE_ONLY = System(
    key="image_only",
    title="image only",
    sees="image",
    answers=_PREDICTIONS / "image_only.csv",
    stage="answer_adapted",
    is_column=False,
)
QUESTION_ONLY = System("question_only", "question-only prior", sees="question")
MAJORITY = System("majority", "majority", sees="type of the question")

TO_BASELINE = Difference("delta", LORA, BASELINE)
TO_ZERO_IMAGE = Difference("delta_to_zero_image", LORA, ZERO_IMAGE, is_column=True)
TO_SHUFFLED_IMAGE = Difference("delta_to_shuffled_image", LORA, SHUFFLED_IMAGE)
TO_IMAGE_ONLY = Difference("delta_to_image_only", LORA, IMAGE_ONLY)
TO_QUESTION_ONLY = Difference("delta_to_question_only", LORA, QUESTION_ONLY, is_column=True)

SYSTEMS = (BASELINE, LORA, ZERO_IMAGE, SHUFFLED_IMAGE, IMAGE_ONLY, QUESTION_ONLY, MAJORITY)
DIFFERENCES = (TO_BASELINE, TO_ZERO_IMAGE, TO_SHUFFLED_IMAGE, TO_IMAGE_ONLY, TO_QUESTION_ONLY)
