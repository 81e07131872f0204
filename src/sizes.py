"""Print what each published BLIP-2 needs, counted without weights.

    python src/sizes.py

In: params/blip2-*.yaml, or params.yaml for the model that it names. Out: a Markdown table on standard output:
parameters, what LoRA trains, gigabytes (1e9 bytes) on the GPU by stage with frozen weights in bf16, what passes
through main memory, the cache of all of ABO.
"""

from pathlib import Path

import torch

from vqa.errors import run_command
from vqa.settings import PARAMS, Settings, load_settings
from vqa.sizing import PUBLISHED, Sizes, published_config

ABO_PICTURES = 398_212
_PRESETS = Path(__file__).parents[1] / "params"
_GB = 1e9


def run() -> None:
    for line in table(load_settings()):
        print(line)


def table(now: Settings) -> list[str]:
    """Lines of Markdown, a model each below the header; the model that `now` names under those settings."""
    stages = "cache_features | train 1 pair | 4 pairs | answer | measure_speed | main memory"
    lines = [f"| model | parameters | LoRA trains | {stages} | all of ABO |", "|---" * 10 + "|"]
    for name in PUBLISHED:
        settings = now if now.model.name == f"Salesforce/{name}" else load_settings(_PRESETS / f"{name}.yaml")
        sizes = sizes_of(name, settings)
        total = sizes.vision + sizes.qformer + sizes.language
        share = sizes.trainable / sizes.language
        lines.append(
            f"| {name} | {total / 1e9:.2f} B | {sizes.trainable / 1e6:.1f} M ({share:.2%}) "
            f"| {' | '.join(f'{number:.1f} GB' for number in gigabytes(sizes))} "
            f"| {sizes.row_kb * ABO_PICTURES / 1e6:.1f} GB |"
        )
    return lines


def gigabytes(sizes: Sizes) -> list[float]:
    """On the GPU: cache_features, train with 1 and 4 pairs, answer, measure_speed; through main memory."""
    held = sizes.held()
    training = [sizes.training(pairs).total for pairs in (1, 4)]
    others = [held[stage].total for stage in ("cache_features", "answer_adapted", "measure_speed")]
    looking, answering, timing = others
    return [b / _GB for b in (looking, *training, answering, timing, max(sizes.loaded().values()))]


def sizes_of(name: str, settings: Settings) -> Sizes:
    """Of a published model on a GPU; `model.dtype: auto` counts as bf16."""
    dtype = "bfloat16" if settings.model.dtype == "auto" else settings.model.dtype
    return Sizes(published_config(name), settings, getattr(torch, dtype))


if __name__ == "__main__":
    run_command(run)
