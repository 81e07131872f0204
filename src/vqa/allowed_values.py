"""What a setting may be: a count, a share, a prompt with its question, a URL."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from vqa.pairs.question_types import TOPICS

_IMAGE_TOKENS = ("<image>", "<|image_pad|>")  # of the families that there are


def _with_question(prompt: str) -> str:
    try:
        if prompt.format(question="Q") == prompt.format(question=""):
            raise ValueError("it must contain {question}")
    except (LookupError, AttributeError) as error:
        raise ValueError("only {question} may stand in braces") from error
    if token := next((token for token in _IMAGE_TOKENS if token in prompt), None):
        raise ValueError(f"it contains {token}, but the image has its place already; remove that")
    return prompt


def _level_or_budget(thinking: object) -> object:
    is_budget = isinstance(thinking, int) and not isinstance(thinking, bool) and thinking >= 0
    if thinking is None or is_budget or thinking in ("minimal", "low", "medium", "high"):
        return thinking
    raise ValueError("it must be minimal, low, medium, high, a number of tokens or null")


def _with_scheme(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not endpoint.isascii() or re.search(r"\s", endpoint):
        raise ValueError("it must be a URL such as https://host or http://localhost:8080, or null")
    return endpoint


def _known_topic(topic: str) -> str:
    if topic not in TOPICS:
        raise ValueError(f"it must be one of {', '.join(TOPICS)}")
    return topic


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OnRegions:
    """A VisualBERT, what sees the regions that it reads, the file of its answers (None: it names them)."""

    name: str
    regions: str
    answers: Path | None


def _name_or_regions(entry: object) -> object:
    if isinstance(entry, str) or (
        isinstance(entry, dict) and entry.keys() == {field.name for field in fields(OnRegions)}
    ):
        return entry
    raise ValueError("it must be a model's name, or name, regions and answers of a VisualBERT")


# Strict, so that no text is taken for a number. Paths and pairs are not: YAML has them as text and as lists.
YesNo = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
Index = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
NotNegative = Annotated[float, Field(ge=0, strict=True)]
Share = Annotated[float, Field(gt=0, lt=1, strict=True)]
Portion = Annotated[float, Field(gt=0, le=1, strict=True)]
Dropout = Annotated[float, Field(ge=0, lt=1, strict=True)]
Prompt = Annotated[str, AfterValidator(_with_question)]
Endpoint = Annotated[str, AfterValidator(_with_scheme)]
Topic = Annotated[str, AfterValidator(_known_topic)]
Thinking = Annotated[str | int | None, BeforeValidator(_level_or_budget)]
NameOrRegions = Annotated[str | OnRegions, BeforeValidator(_name_or_regions)]
