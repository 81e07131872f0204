"""params.yaml → frozen settings. Unknown keys and impossible values are refused by name.

Every key must be given: params.yaml is the one place where a default lives, and a preset (a file of
configs/presets) holds only what it changes.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

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
    YesNo,
)
from vqa.core.errors import InputError
from vqa.overlays import Layer, find_file, merged, read_layer, refuse_old_names

__all__ = ["OnRegions"]  # settings hand it on, so that who reads it depends on none of what they may be

PARAMS = Path("params.yaml")
HUB_MODEL = "models/hub.txt"  # stands for every model that is no folder
NEW_ADAPTER = "models/new_adapter.txt"  # stands for no adapter to go on from

_CHECKED = ConfigDict(extra="forbid")
# In place of pydantic's reasons that name a class of Python.
_REASONS = {"dataclass_type": "it must be a block of keys and values", "path_type": "it must be a path"}


@dataclass(frozen=True, config=_CHECKED)
class Run:
    launcher: str


@dataclass(frozen=True, config=_CHECKED)
class Demo:
    images: Count


@dataclass(frozen=True, config=_CHECKED)
class Data:
    root: Path
    licence: Annotated[str, Field(min_length=1)] | None


@dataclass(frozen=True, config=_CHECKED)
class Generate:
    annotator: Literal["metadata", "csv", "gemini"]
    csv: Path
    csv_known_word: YesNo
    images: Count
    questions_per_image: Count
    languages: list[str]
    sdk: Literal["google-generativeai", "google-genai"]
    mode: Literal["online", "batch"]
    batch_hours: Positive
    model: str
    api_endpoint: Endpoint | None
    prices: dict[str, tuple[NotNegative, NotNegative]]
    max_cost_usd: NotNegative
    max_requests: Count | None
    concurrency: Count
    requests_per_minute: Positive
    tokens_per_minute: Positive
    max_attempts: Count
    timeout_s: Positive
    media_resolution: Literal["low", "medium", "high"] | None
    thinking: Thinking
    service_tier: Literal["standard", "flex"]


@dataclass(frozen=True, config=_CHECKED)
class Validate:
    no_answers: list[str]
    english_only: YesNo
    allow_answer_in_question: YesNo
    not_visible: list[Topic]
    min_image_side: Count
    min_question_jaccard: Portion
    max_pairs_per_image: Count
    max_answer_share: Portion
    max_yes_no_share: Portion
    splits: Literal["draw", "column"]
    val_share: Share
    test_share: Share
    max_hash_distance: Annotated[int, Field(ge=0, le=32, strict=True)]
    seed: Index

    @model_validator(mode="after")
    def _leaves_some_to_train_on(self) -> Self:
        if self.val_share + self.test_share >= 1:
            raise ValueError("val_share and test_share together must be below 1")
        return self


@dataclass(frozen=True, config=_CHECKED)
class Verify:
    folds: Annotated[int, Field(ge=2, strict=True)]
    train_on: Literal["all", "not_conflicting", "supported"]
    review_pairs: Count
    same_meaning: Portion
    second_opinion: YesNo
    opinion_without_image: YesNo
    model: str
    thinking: Thinking


@dataclass(frozen=True, config=_CHECKED)
class Model:
    name: str
    dvc_dep: str
    revision: str | None
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    quantization: Literal["none", "8bit", "4bit"]
    prompt: Prompt


@dataclass(frozen=True, config=_CHECKED)
class Features:
    level: Literal["qformer", "vit"]
    batch_size: Count
    workers: Index
    images_per_shard: Count
    dtype: Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, config=_CHECKED)
class Lora:
    r: Count
    alpha: Positive
    dropout: Dropout
    targets: Annotated[list[str], Field(min_length=1)]
    bias: Literal["none", "all", "lora_only"]
    rslora: YesNo
    dora: YesNo
    train_projection: YesNo
    qformer_targets: list[str]


@dataclass(frozen=True, config=_CHECKED)
class Train:
    start_from: str
    images: Count | None
    zero_image: YesNo
    epochs: Count
    batch_size: Count
    micro_batch_size: Count
    questions_per_prefix: Count
    learning_rate: Positive
    schedule: Literal["linear", "cosine", "constant"]
    warmup_share: Dropout
    eval_steps: Count | None
    eval_batch_size: Count
    patience: Count | None
    checkpoint_steps: Count
    checkpoint_minutes: NotNegative
    seed: Index


@dataclass(frozen=True, config=_CHECKED)
class Decoding:
    batch_size: Count
    max_new_tokens: Count
    num_beams: Count
    constrained: YesNo


@dataclass(frozen=True, config=_CHECKED)
class ZeroShot:
    models: list[NameOrRegions]


@dataclass(frozen=True, config=_CHECKED)
class Benchmark:
    images: Count


@dataclass(frozen=True, config=_CHECKED)
class Evaluate:
    scorer: Literal["minilm", "roberta-large"]
    bootstrap_draws: Count


@dataclass(frozen=True, config=_CHECKED)
class Settings:
    run: Run
    demo: Demo
    data: Data
    generate: Generate
    validate: Validate
    verify: Verify
    model: Model
    features: Features
    lora: Lora
    train: Train
    decoding: Decoding
    zero_shot: ZeroShot
    benchmark: Benchmark
    evaluate: Evaluate


def load_settings(path: Path = PARAMS, *overlays: Path) -> Settings:
    """Read and check the whole file, with what each of `overlays` changes of it; of two the later holds.

    Raises:
        InputError: not there, not YAML, or a key or value is wrong; it names file, key and remedy.
    """
    return build_settings([read_layer(file) for file in (path, *overlays)])


def build_settings(layers: Sequence[Layer]) -> Settings:
    """As `load_settings`, of what was read already; the model is looked for beside the first file."""
    for path, blocks in layers:
        refuse_old_names(path, blocks)
    try:
        settings = TypeAdapter(Settings).validate_python(merged(layers))
    except ValidationError as error:
        raise InputError(_sentence(layers, error)) from error
    _check_dvc_dep(settings.model, layers[0][0].parent, find_file(("model", "name"), layers))
    return settings


def _check_dvc_dep(model: Model, top: Path, path: Path) -> None:
    """DVC cannot tell a folder from a hub id, so that what it watches is said beside the name."""
    is_folder = (top / model.name).is_dir()
    if model.dvc_dep == (model.name if is_folder else HUB_MODEL):
        return
    if is_folder:
        raise InputError(
            f"{path}: model.dvc_dep is {model.dvc_dep!r}, but model.name is the folder {model.name!r}; set "
            "it to that"
        )
    raise InputError(
        f"{path}: model.name is {model.name!r}, which is no folder here; mend it, or if it is a hub id set "
        f"model.dvc_dep to {HUB_MODEL}"
    )


def _sentence(layers: Sequence[Layer], error: ValidationError) -> str:
    """The first problem in words; the others follow once it is mended."""
    first = error.errors()[0]
    path, key = find_file(first["loc"], layers), ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{path}: {key} is missing; add it (the committed file has every key)"
    if first["type"] == "unexpected_keyword_argument":
        *blocks, unknown = [str(part) for part in first["loc"]]
        near = get_close_matches(unknown, _keys(blocks), n=1)
        hint = f"did you mean {'.'.join([*blocks, near[0]])}?" if near else "remove it"
        return f"{path}: unknown key {key}; {hint}"
    reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
    if first["type"] == "string_type" and isinstance(first["input"], bool):
        reason += "; a program that reads YAML 1.1 may have made it of yes or no: write it in quotes"
    if isinstance(first["input"], date):
        reason += "; YAML takes it for a date: write it in quotes"
    return f"{path}: {key} is {first['input']!r}: {reason[0].lower()}{reason[1:]}"


def _keys(blocks: list[str]) -> list[str]:
    """Keys allowed below `blocks`: the block names, or one block's own keys."""
    by_name = {field.name: field.type for field in fields(Settings)}
    block = by_name.get(blocks[0]) if blocks else Settings
    return [field.name for field in fields(block)] if isinstance(block, type) else []
