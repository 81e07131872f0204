"""Print what each published model needs, without its weights.

    python src sizes

In: params.yaml, with the presets for models that it does not name. Out: Markdown tables on standard output,
the BLIP-2s and the others: parameters, what LoRA trains, gigabytes (1e9 bytes) on the GPU by stage, the cache
of all of ABO. Where model.name is a folder, a third table has that model, on this machine's device.
"""

from pathlib import Path

import torch
from tabulate import tabulate

from vqa.core.cli import command_line
from vqa.core.devices import default_device, frozen_dtype
from vqa.memory_estimate.meta_device import BLIP2, IMAGE_TEXT, published_config
from vqa.memory_estimate.model import ModelMemory
from vqa.settings import PARAMS, Settings, load_settings
from vqa.vlm.loading import Pretrained

ABO_IMAGES = 398_212
_TOP = Path(__file__).parents[3]


def run() -> None:
    now = load_settings()
    for line in [*table(now), "", *image_text_table(now), *own_table(now, default_device())]:
        print(line)


def table(now: Settings) -> list[str]:
    """Lines of Markdown, a BLIP-2 each below the header; the model that `now` names under those settings."""
    rows = []
    for name in BLIP2:
        sizes = estimate_memory(name, settings_of(name, now))
        share = sizes.trainable / sizes.answer_parameters
        features = {"all of ABO": f"{sizes.row_kb * ABO_IMAGES / 1e6:.1f} GB"}
        rows.append(_row(name, sizes, f" ({share:.2%})", gigabytes(sizes)) | features)
    return _lines(rows)


def image_text_table(now: Settings) -> list[str]:
    """The same for image-text models, and what an image takes on disk."""
    rows = []
    for name in IMAGE_TEXT:
        sizes = estimate_memory(name, settings_of(name, now))
        numbers = gigabytes(sizes)
        del numbers["measure_speed"]
        features = {
            "rows × size": f"{sizes.rows} × {sizes.width}",
            "an image": f"{sizes.row_kb:.0f} KB",
            "all of ABO": f"{sizes.row_kb * ABO_IMAGES / 1e6:.0f} GB",
        }
        rows.append(_row(name, sizes, "", numbers) | features)
    return _lines(rows)


def own_table(now: Settings, device: torch.device) -> list[str]:
    """The same for a model in a folder of `now`, on `device` and in its dtype; none for a hub id."""
    if not Path(now.model.name).is_dir():
        return []
    config, dtype = Pretrained.of(now.model).config, frozen_dtype(now.model.dtype, device)
    sizes = ModelMemory(config, now, dtype, is_gpu=device.type == "cuda")
    share = f" ({sizes.trainable / sizes.answer_parameters:.2%})"
    rows = {stage: f"{estimate.total / 1e9:.2f} GB" for stage, estimate in sizes.by_stage().items()}
    described = {"device": device.type, "an image": f"{sizes.row_kb:.0f} KB"}
    named = _row(Path(now.model.name).name, sizes, share, {})
    return ["", *_lines([named | rows | described])]


def _row(name: str, sizes: ModelMemory, share: str, numbers: dict[str, float]) -> dict[str, str]:
    """Cells by title; `share`: of the answer model that LoRA trains; `numbers` in gigabytes."""
    parameters = {
        "model": name,
        "parameters": f"{sizes.parameters / 1e9:.2f} B",
        "LoRA trains": f"{sizes.trainable / 1e6:.1f} M{share}",
    }
    return parameters | {stage: f"{number:.1f} GB" for stage, number in numbers.items()}


def _lines(rows: list[dict[str, str]]) -> list[str]:
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True).splitlines()


def settings_of(name: str, now: Settings) -> Settings:
    """`now` for the model that it names, with the ready-made changes for another."""
    ready = load_settings(_TOP / PARAMS, *(_TOP / f"configs/presets/{file}.yaml" for file in ("abo", name)))
    return now if now.model.name == ready.model.name else ready


def gigabytes(sizes: ModelMemory) -> dict[str, float]:
    """On the GPU, by the titles of the tables; `answer` is the stage answer_adapted."""
    by_stage = sizes.by_stage()
    estimates = {
        "cache_features": by_stage["cache_features"],
        "train 1 pair": sizes.training(1),
        "4 pairs": sizes.training(4),
        "validate": sizes.validating(),
        "answer": by_stage["answer_adapted"],
        "measure_speed": by_stage["measure_speed"],
    }
    return {title: estimate.total / 1e9 for title, estimate in estimates.items()}


def estimate_memory(name: str, settings: Settings) -> ModelMemory:
    """Of a published model on a GPU; `model.dtype: auto` counts as bf16."""
    dtype = "bfloat16" if settings.model.dtype == "auto" else settings.model.dtype
    return ModelMemory(published_config(name), settings, getattr(torch, dtype))


app = command_line(__doc__, run)
