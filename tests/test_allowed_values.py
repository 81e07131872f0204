"""What a setting may be; how params.yaml's sentences name file and key is in test_settings."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from vqa.allowed_values import (
    Count,
    Dropout,
    Endpoint,
    Index,
    NameOrRegions,
    NotNegative,
    OnRegions,
    Portion,
    Positive,
    Prompt,
    Share,
    Thinking,
    Topic,
)


@pytest.mark.parametrize(
    ("kind", "value", "is_allowed"),
    [
        (Count, 1, True), (Count, 0, False),
        (Index, 0, True), (Index, -1, False),
        (Positive, 0.1, True), (Positive, 0.0, False),
        (NotNegative, 0.0, True), (NotNegative, -0.1, False),
        (Share, 0.5, True), (Share, 0.0, False), (Share, 1.0, False),
        (Portion, 1.0, True), (Portion, 0.0, False), (Portion, 1.1, False),
        (Dropout, 0.0, True), (Dropout, 1.0, False),
        (Prompt, "Q: {question}", True), (Prompt, "Q: {{question}}", False),
        (Prompt, "{question} {x}", False), (Prompt, "<|im_start|>user {question}", True),
        (Endpoint, "http://localhost:8080", True), (Endpoint, "ftp://host", False),
        (Endpoint, "http://host:0", False), (Endpoint, "https://hóst", False),
        (Topic, "brand", True), (Topic, "colour", False),
        (Thinking, None, True), (Thinking, "low", True), (Thinking, 0, True),
        (Thinking, -1, False), (Thinking, True, False), (Thinking, "most", False),
    ],
)  # fmt: skip
def test_each_kind_has_its_bounds(kind: Any, value: object, is_allowed: bool) -> None:
    adapter = TypeAdapter(kind)
    if is_allowed:
        assert adapter.validate_python(value) == value
    else:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (Prompt, "Answer:", r"it must contain \{question\}"),
        (Prompt, "{0}", r"only \{question\} may stand in braces"),
        (Prompt, "<image> {question}", "it contains <image>, but the image has its place already"),
        (Prompt, "<|image_pad|>{question}", r"it contains <\|image_pad\|>, but the image has its place"),
        (Endpoint, "host", "it must be a URL such as https://host"),
        (Topic, "colour", "it must be one of brand, price"),
        (Thinking, "max", "it must be minimal, low, medium, high, a number of tokens or null"),
        (NameOrRegions, {"name": "a"}, "it must be a model's name, or name, regions and answers"),
    ],
)
def test_what_is_refused_is_told_what_to_write(kind: Any, value: object, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        TypeAdapter(kind).validate_python(value)


def test_another_model_is_a_name_or_a_visualbert_with_its_regions() -> None:
    adapter: TypeAdapter[str | OnRegions] = TypeAdapter(NameOrRegions)
    assert adapter.validate_json('"vilt"') == "vilt"
    named = adapter.validate_json('{"name": "bert", "regions": "rcnn", "answers": null}')
    assert named == OnRegions("bert", "rcnn", None)
    listed = adapter.validate_json('{"name": "bert", "regions": "rcnn", "answers": "answers.txt"}')
    assert listed == OnRegions("bert", "rcnn", Path("answers.txt"))
