"""Product → prompt and its image; a model's text → pairs, for any vendor.

An answer of several words is kept as it came: the validate stage rejects it, and nothing cuts it.
"""

import functools
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from PIL import Image

from vqa.catalogue.abo import Product
from vqa.catalogue.images import ImageError, decoded
from vqa.pairs.pair import Pair
from vqa.pairs.question_types import OFFERED_TYPES

TEMPLATE = Path(__file__).with_name("prompt.txt")
DIFFICULTIES = ("easy", "medium", "hard")
LONGEST_TEXT = 100_000  # characters; a real answer has a few hundred
# Possessive (++), so that matching never backtracks, however odd the text.
_QUESTION = re.compile(r"(?i)\W*+(?:\d++\W++)?+q(?:uestion)?+\s*+\d*+\s*+[:.](.+)")
_ANSWER = re.compile(r"(?i)\W*+a(?:nswer)?+\s*+\d*+\s*+[:.](.+)")


class UnusableText(Exception):  # noqa: N818  # it becomes a reason, not a failure
    """A text that holds no pair; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def build_prompt(product: Product, questions: int) -> str:
    """The template filled with what the listing says; unknown attributes are said to be unknown."""
    description = product.description or " ".join(product.bullets[:3])
    return _template().substitute(
        name=product.name or "unknown",
        color=product.color or "unknown",
        material=product.material or "unknown",
        description=description[:600] or "unknown",
        count=questions,
    )


@functools.cache
def _template() -> Template:
    return Template(TEMPLATE.read_text(encoding="utf-8"))


def pairs_in(text: str, image_name: str, source: str) -> list[Pair]:
    """Pairs in a text: JSON (also fenced, in prose, or cut short after whole objects) or "Q: … A: …".

    Raises:
        UnusableText: `empty_text`, `text_too_long`, `wrong_schema` (JSON without questions) or
            `not_parsable`.
    """
    if not text.strip():
        raise UnusableText("empty_text")
    if len(text) > LONGEST_TEXT:
        raise UnusableText("text_too_long")
    objects = list(_objects(text))
    pairs = [_pair(fields, image_name, source) for fields in objects if _is_pair(fields)]
    if not objects:
        pairs = [Pair(image_name, question, answer, source=source) for question, answer in _text_pairs(text)]
    if not pairs:
        raise UnusableText("wrong_schema" if objects else "not_parsable")
    return pairs


def _text_pairs(text: str) -> Iterator[tuple[str, str]]:
    """Every line with a question whose next line with a word in it holds an answer."""
    question = ""
    for line in re.split(r"[\r\n]+", text):
        if match := _QUESTION.match(line):
            question = match[1].strip()
        elif (match := _ANSWER.match(line)) and question and match[1].strip():
            yield question, match[1].strip()
            question = ""
        elif re.search(r"\w", line):
            question = ""


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every complete JSON object in `text` that holds no other object."""
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = position + 1  # an outer object cut short: look inside it
        else:
            nested = [item for item in value.values() if isinstance(item, list)]
            inner = [entry for items in nested for entry in items if isinstance(entry, dict)]
            yield from inner or [value]
        position = text.find("{", end)


def _is_pair(found: dict[str, Any]) -> bool:
    return bool(str(found.get("question") or "").strip()) and found.get("answer") not in (None, "")


def _written(value: Any) -> str:
    """On one line, and with a question mark for half of a surrogate pair, which no file can hold."""
    return " ".join(str(value).split()).encode("utf-8", "replace").decode()


def _pair(found: dict[str, Any], image_name: str, source: str) -> Pair:
    question = _written(found["question"])
    kind = str(found.get("type") or found.get("question_type") or "").strip().lower()
    difficulty = str(found.get("difficulty") or "").strip().lower()
    return Pair(
        image_name=image_name,
        question=question,
        answer=_written(found["answer"]),
        question_type=kind if kind in OFFERED_TYPES else "",
        difficulty=difficulty if difficulty in DIFFICULTIES else "",
        source=source,
    )


LONGEST_SIDE = 768  # pixels; what is larger costs more and shows a product no better
_MIME_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Attachment:
    mime_type: str
    data: bytes


def attachment(path: Path) -> Attachment:
    """The file unchanged where possible; other formats and larger images as a new PNG or JPEG.

    The first bytes decide the type, since catalogues hold WebP files named .jpg. The image is always decoded
    first, so that no request is paid for an image that cannot be.

    Raises:
        ImageError: it cannot be read or decoded.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ImageError("image_missing", f"{path}: {error.strerror}") from error
    image = decoded(content)
    with Image.open(io.BytesIO(content)) as opened:  # reads the header only
        kind, is_moving = opened.format or "", getattr(opened, "is_animated", False)
    if kind in _MIME_TYPES and max(image.size) <= LONGEST_SIDE and (kind == "MPO" or not is_moving):
        return Attachment(_MIME_TYPES[kind], content)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    made, is_jpeg = io.BytesIO(), _MIME_TYPES.get(kind) == "image/jpeg"
    image.save(made, "JPEG" if is_jpeg else "PNG", quality=92)
    return Attachment("image/jpeg" if is_jpeg else "image/png", made.getvalue())
