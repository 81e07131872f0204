"""Metrics and settings → the model card of an adapter or a merged model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import EvalResult, ModelCardData

from vqa.evaluation.markdown import results_table
from vqa.pages.page import text_of
from vqa.settings import Settings

_DRAWN = Path("data/demo")
_SOURCES = {
    False: "Amazon Berkeley Objects pictures and listings: CC BY 4.0, Amazon.com (Collins et al. 2022)",
    True: "Pictures and listings: drawn by abo-vqa itself; nothing here was learnt from real products",
}
_INTRODUCTIONS = {
    "adapter": """# LoRA adapter for one-word answers about product pictures

Adapts the language model of `{base}`. Made by abo-vqa, commit `{commit}`.

```python
from peft import PeftModel
from transformers import Blip2ForConditionalGeneration

model = Blip2ForConditionalGeneration.from_pretrained("{base}")
PeftModel.from_pretrained(model.language_model, "adapter").merge_and_unload()  # in place
```
""",
    "merged": """# BLIP-2 for one-word answers about product pictures

`{base}` with a LoRA adapter merged into its language model. Made by abo-vqa, commit `{commit}`.

```python
from transformers import Blip2ForConditionalGeneration, Blip2Processor

model = Blip2ForConditionalGeneration.from_pretrained("merged")
processor = Blip2Processor.from_pretrained("merged")
```
""",
}


Kind = Literal["adapter", "merged"]


@dataclass(frozen=True)
class Provenance:
    """What a card must name beside scores: the commit, the data by SHA-256, library versions."""

    commit: str
    data: Mapping[str, str]
    versions: Mapping[str, str]


def model_card(
    kind: Kind,
    settings: Settings,
    metrics: Mapping[str, Any],
    details: Mapping[str, Any],
    provenance: Provenance,
) -> str:
    """Markdown with the hub's metadata block. `kind`: "adapter" or "merged"."""
    base, commit = settings.model.name, provenance.commit
    return text_of("card.md").format(
        metadata=_metadata(kind, settings, metrics).to_yaml(),
        introduction=_INTRODUCTIONS[kind].format(base=base, commit=commit),
        base=base,
        prompt=settings.model.prompt,
        max_new_tokens=settings.evaluate.max_new_tokens,
        pairs=metrics["data"]["test_pairs"],
        images=metrics["data"]["test_images"],
        results=results_table(dict(metrics)),
        by_type=_by_type(details),
        settings=_settings_table(settings),
        source=_SOURCES[settings.data.root == _DRAWN],
        data="\n".join(f"- `{path}`: SHA-256 `{digest}`" for path, digest in provenance.data.items()),
        versions=", ".join(f"{name} {version}" for name, version in provenance.versions.items()),
    )


def _metadata(kind: Kind, settings: Settings, metrics: Mapping[str, Any]) -> ModelCardData:
    is_drawn = settings.data.root == _DRAWN
    results = [
        EvalResult(
            task_type="visual-question-answering",
            dataset_type=_DRAWN.name if is_drawn else "amazon-berkeley-objects",
            dataset_name=f"held-out pictures of {settings.data.root}",
            metric_type=name,
            metric_value=metrics["lora"][name],
        )
        for name in ("exact_match", "bert_score_f1")
    ]
    return ModelCardData(
        base_model=settings.model.name,
        library_name="peft" if kind == "adapter" else "transformers",
        pipeline_tag="visual-question-answering",
        tags=["blip-2", "lora", "visual-question-answering", "product-images"],
        language="en",
        model_name="abo-vqa",
        eval_results=results,
    )


def _by_type(details: Mapping[str, Any]) -> str:
    lines = ["| type | n | base | adapted | difference |", "|---|---|---|---|---|"]
    systems, difference = details["systems"], details["differences"]["delta"]
    for kind, adapted in systems["lora"].items():
        low, high = (100 * bound for bound in difference[kind]["ci95"])
        lines.append(
            f"| {kind} | {adapted['n']} | {systems['baseline'][kind]['exact_match']:.1%} "
            f"| {adapted['exact_match']:.1%} | {100 * difference[kind]['exact_match']:+.1f} "
            f"[{low:+.1f}, {high:+.1f}] |"
        )
    return "\n".join(lines)


def _settings_table(settings: Settings) -> str:
    lines = ["| setting | value |", "|---|---|"]
    for block in ("lora", "train"):
        lines += [f"| {block}.{key} | {value} |" for key, value in vars(getattr(settings, block)).items()]
    return "\n".join(lines)
