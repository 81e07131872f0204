"""Whether an exported folder answers as the pipeline did, in a process that uses nothing of this project."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vqa.core.errors import InputError
from vqa.core.files import write_json
from vqa.pairs.answer_normalization import first_word

_SCRIPT = Path(__file__).parents[1] / "inference/ask_exported.py"


@dataclass(frozen=True)
class Question:
    """A test question: its image file, the whole prompt, and the pipeline's answer, one word."""

    image: Path
    question: str
    prompt: str
    expected: str


@dataclass(frozen=True)
class Check:
    """The result of a check.

    `problem`: why nothing could be asked; "" when it could. `detail` may name paths of this machine, which
    belong in no card.
    """

    asked: int
    equal: int
    differing: tuple[str, ...] = ()
    problem: str = ""
    detail: str = ""

    def __str__(self) -> str:
        if self.problem:
            return f"not checked: {self.problem}"
        made = f"by transformers {version('transformers')} and peft {version('peft')}"
        sentence = f"{self.equal} of {self.asked} test questions answered as by the pipeline, {made}"
        return "; ".join([sentence, *self.differing[:1]])


def choose_questions(rows: Sequence[Mapping[str, str]], count: int) -> list[Mapping[str, str]]:
    """`count` of the rows, spread over the whole file, so that they are about different images."""
    step = max(1, len(rows) // count) if count else 1
    return list(rows[::step][:count])


def check_export(kind: str, folder: Path, questions: Sequence[Question], options: Mapping[str, Any]) -> Check:
    """Ask the exported `folder` in a fresh process.

    Args:
        kind: "merged" or "adapter".
        options: `base`, `revision`, `dtype`, `max_new_tokens`, `num_beams`, and `is_bare`: whether a merged
            model's chat template adds the prompt around a bare question.
    """
    is_bare = kind == "merged" and options["is_bare"]
    asked = [
        {"image": str(q.image.resolve()), "prompt": q.prompt, "said": q.question if is_bare else q.prompt}
        for q in questions
    ]
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "asked.json"
        write_json(path, {"kind": kind, "folder": str(folder), "asked": asked} | dict(options))
        command = [sys.executable, "-I", str(_SCRIPT), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return Check(len(questions), 0, problem="the process that was to ask it failed", detail=f" ({last})")
    texts: list[str] = json.loads(done.stdout.strip().splitlines()[-1])
    answers = [first_word(text) for text in texts]
    differing = tuple(
        f"{q.image.name}, {q.question!r}: {answer!r} here, {q.expected!r} in the pipeline"
        for q, answer in zip(questions, answers, strict=True)
        if answer != q.expected
    )
    return Check(len(questions), len(questions) - len(differing), differing)


def refuse_unequal(checks: Mapping[Any, Check]) -> None:
    """For scripts that go by the exit status.

    Raises:
        InputError: an exported folder answers otherwise than the pipeline, or could not be asked.
    """
    bad = [
        f"{kind}: {check}{check.detail}"
        for kind, check in checks.items()
        if check.asked and (check.problem or check.differing)
    ]
    if bad:
        raise InputError(f"{'; '.join(bad)}; export again with the libraries of requirements.txt")
