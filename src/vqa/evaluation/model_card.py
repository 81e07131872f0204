"""Metrics and settings → the model card of an adapter or a merged model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import EvalResult, ModelCardData, metadata_load

from vqa.catalogue.manifest import images_licence, is_abo, is_drawn
from vqa.evaluation.markdown import points, results_table, table
from vqa.evaluation.systems import BASELINE, LORA, TO_BASELINE
from vqa.pages.page import page
from vqa.settings import Settings

Kind = Literal["adapter", "merged"]
KINDS: tuple[Kind, ...] = ("adapter", "merged")


@dataclass(frozen=True)
class BaseModel:
    """What a card's code must know of the base model: its family (transformers' `model_type`), the dtype that
    was evaluated, its commit on the hub (None for a folder), whether its processor has a chat template, and
    whether its language model is an encoder-decoder, which does not repeat the prompt.
    """

    family: str
    dtype: str = "float32"
    revision: str | None = None
    has_chat_template: bool = False
    is_encoder_decoder: bool = False


@dataclass(frozen=True)
class Provenance:
    """What a card must name beside scores: commit, data by SHA-256, library versions, the base model."""

    commit: str
    data: Mapping[str, str]
    versions: Mapping[str, str]
    base: BaseModel


def model_card(
    kind: Kind,
    settings: Settings,
    metrics: Mapping[str, Any],
    details: Mapping[str, Any],
    provenance: Provenance,
    check: str,
) -> str:
    """Markdown with the hub's metadata block. `check`: what `export_check.Check` says of the folder."""
    family = provenance.base.family
    values = {
        "kind": kind,
        "metadata": _metadata(kind, settings, metrics, provenance).to_yaml(),
        "base": settings.model.name,
        "family": {"blip-2": "BLIP-2"}.get(family, family),
        "is_blip2": family == "blip-2",
        "commit": provenance.commit,
        "dtype": provenance.base.dtype,
        "revision": provenance.base.revision,
        "has_template": provenance.base.has_chat_template,
        "is_encoder_decoder": provenance.base.is_encoder_decoder,
        "check": check,
        "prompt": settings.model.prompt,
        "max_new_tokens": settings.decoding.max_new_tokens,
        "num_beams": settings.decoding.num_beams,
        "pairs": metrics["data"]["test_pairs"],
        "images": metrics["data"]["test_images"],
        "results": results_table(dict(metrics)),
        "by_type": _by_type(details),
        "settings": _settings_table(settings),
        "licence": _licence_of(settings.model.name),
        "is_drawn": is_drawn(settings.data),
        "is_abo": is_abo(settings.data),
        "images_licence": images_licence(settings.data),
        "data": provenance.data,
        "versions": provenance.versions,
    }
    return page("card.md", values)


def _metadata(
    kind: Kind, settings: Settings, metrics: Mapping[str, Any], provenance: Provenance
) -> ModelCardData:
    results = [
        EvalResult(
            task_type="visual-question-answering",
            dataset_type="amazon-berkeley-objects" if is_abo(settings.data) else settings.data.root.stem,
            dataset_name=f"held-out images of {settings.data.root}",
            metric_type=name,
            metric_value=metrics[LORA.key][name],
        )
        for name in ("exact_match", "bert_score_f1")
    ]
    return ModelCardData(
        base_model=settings.model.name,
        library_name="peft" if kind == "adapter" else "transformers",
        pipeline_tag="image-text-to-text",
        tags=[provenance.base.family, "lora", "visual-question-answering", "product-images"],
        language="en",
        license=_licence_of(settings.model.name) or "other",
        model_name="abo-vqa",
        eval_results=results,
    )


def _licence_of(model: str) -> str | None:
    """What the card of a model's folder says; None of a hub id, and of a folder that does not say."""
    card = Path(model) / "README.md"
    metadata = metadata_load(card) if card.is_file() else None
    return metadata.get("license") if metadata else None


def _by_type(details: Mapping[str, Any]) -> str:
    systems, differences = details["systems"], details["differences"][TO_BASELINE.key]
    rows = []
    for kind, adapted in systems[LORA.key].items():
        exact = (f"{entry['exact_match']:.1%}" for entry in (systems[BASELINE.key][kind], adapted))
        difference = points(differences[kind] | {"value": differences[kind]["exact_match"]})
        rows.append([kind, adapted["n"], *exact, difference])
    return table(["type", "n", "base", "adapted", "difference"], rows)


def _settings_table(settings: Settings) -> str:
    return table(
        ["setting", "value"],
        [
            (f"{block}.{key}", str(value))
            for block in ("lora", "train")
            for key, value in vars(getattr(settings, block)).items()
        ]
        + [("verify.train_on", settings.verify.train_on)],
    )
