"""What a setting may be: a count, a share, a prompt with its question, a URL."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from vqa.pairs.question_types import TOPICS


def _with_question(prompt: str) -> str:
    try:
        if prompt.format(question="Q") == prompt.format(question=""):
            raise ValueError("it must contain {question}")
    except (LookupError, AttributeError) as error:
        raise ValueError("only {question} may stand in braces") from error
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


Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
# YAML 1.1 reads 1e-4 as a string, hence not strict.
Positive = Annotated[float, Field(gt=0, strict=False)]
NotNegative = Annotated[float, Field(ge=0, strict=False)]
Share = Annotated[float, Field(gt=0, lt=1, strict=False)]
Portion = Annotated[float, Field(gt=0, le=1, strict=False)]
Dropout = Annotated[float, Field(ge=0, lt=1, strict=False)]
Prompt = Annotated[str, AfterValidator(_with_question)]
Endpoint = Annotated[str, AfterValidator(_with_scheme)]
Topic = Annotated[str, AfterValidator(_known_topic)]
Thinking = Annotated[str | int | None, BeforeValidator(_level_or_budget)]
