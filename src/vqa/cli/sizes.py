"""Print what each published model needs, without its weights.

    python src sizes

In: params.yaml, with the presets for models that it does not name. Out: two Markdown tables on standard
output, the BLIP-2s and the others: parameters, what LoRA trains, gigabytes (1e9 bytes) on the GPU by
stage, the cache of all of ABO.
"""

from pathlib import Path

import torch
from tabulate import tabulate

from vqa.core.cli import command_line
from vqa.memory_estimate.blip2 import Blip2Memory
from vqa.memory_estimate.image_text_model import ImageTextMemory
from vqa.memory_estimate.published import CONFIGS, PUBLISHED, published_config
from vqa.settings import PARAMS, Settings, load_settings

ABO_IMAGES = 398_212
_TOP = Path(__file__).parents[3]


def run() -> None:
    now = load_settings()
    for line in [*table(now), "", *image_text_table(now)]:
        print(line)


def table(now: Settings) -> list[str]:
    """Lines of Markdown, a model each below the header; the model that `now` names under those settings."""
    stages = ["cache_features", "train 1 pair", "4 pairs", "validate", "answer", "measure_speed"]
    rows = []
    for name in PUBLISHED:
        sizes = estimate_memory(name, settings_of(name, now))
        total = sizes.vision + sizes.qformer + sizes.language
        share = sizes.trainable / sizes.language
        rows.append(
            [
                name,
                f"{total / 1e9:.2f} B",
                f"{sizes.trainable / 1e6:.1f} M ({share:.2%})",
                *(f"{number:.1f} GB" for number in gigabytes(sizes)),
                f"{sizes.row_kb * ABO_IMAGES / 1e6:.1f} GB",
            ]
        )
    titles = ["model", "parameters", "LoRA trains", *stages, "all of ABO"]
    return tabulate(rows, titles, tablefmt="github", disable_numparse=True).splitlines()


def image_text_table(now: Settings) -> list[str]:
    """The same for image-text models, and what an image takes on disk."""
    stages = ["cache_features", "train 1 pair", "4 pairs", "validate", "answer"]
    rows = []
    for name in CONFIGS:
        sizes = estimate_image_text_memory(name, settings_of(name, now))
        rows.append(
            [
                name,
                f"{sizes.parameters / 1e9:.2f} B",
                f"{sizes.trainable / 1e6:.1f} M",
                *(f"{number:.1f} GB" for number in image_text_gigabytes(sizes)),
                f"{sizes.rows} × {sizes.width}",
                f"{sizes.row_kb:.0f} KB",
                f"{sizes.row_kb * ABO_IMAGES / 1e6:.0f} GB",
            ]
        )
    titles = ["model", "parameters", "LoRA trains", *stages, "rows × size", "an image", "all of ABO"]
    return tabulate(rows, titles, tablefmt="github", disable_numparse=True).splitlines()


def settings_of(name: str, now: Settings) -> Settings:
    """`now` for the model that it names, with the ready-made changes for another."""
    ready = load_settings(_TOP / PARAMS, *(_TOP / f"configs/presets/{file}.yaml" for file in ("abo", name)))
    return now if now.model.name == ready.model.name else ready


def gigabytes(sizes: Blip2Memory) -> list[float]:
    """On the GPU: cache_features, train with 1 and 4 pairs and validating, answer_adapted, measure_speed."""
    by_stage = sizes.by_stage()
    training = [sizes.training(1), sizes.training(4), sizes.validating()]
    stages = [by_stage["cache_features"], *training, by_stage["answer_adapted"], by_stage["measure_speed"]]
    return [stage.total / 1e9 for stage in stages]


def estimate_memory(name: str, settings: Settings) -> Blip2Memory:
    """Of a published model on a GPU; `model.dtype: auto` counts as bf16."""
    dtype = "bfloat16" if settings.model.dtype == "auto" else settings.model.dtype
    return Blip2Memory(published_config(name), settings, getattr(torch, dtype))


def image_text_gigabytes(sizes: ImageTextMemory) -> list[float]:
    """On the GPU: cache_features, train with 1 and 4 pairs and validating, answering."""
    training = [sizes.training(1), sizes.training(4), sizes.validating()]
    return [stage.total / 1e9 for stage in (sizes.encoding(), *training, sizes.generation())]


def estimate_image_text_memory(name: str, settings: Settings) -> ImageTextMemory:
    """As `estimate_memory`, of an image-text model."""
    dtype = "bfloat16" if settings.model.dtype == "auto" else settings.model.dtype
    return ImageTextMemory(CONFIGS[name](), settings, getattr(torch, dtype))


app = command_line(__doc__, run)
