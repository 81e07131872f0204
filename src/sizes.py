"""Print what each published BLIP-2 needs, counted without weights.

    python src/sizes.py

In: params.yaml (lora). Out: a Markdown table on standard output: parameters, what LoRA trains, gigabytes on
the device, the cache of all of ABO.
"""

import torch

from vqa import lora
from vqa.errors import run_command
from vqa.settings import Lora, load_settings
from vqa.sizing import PUBLISHED, Sizes, sizes_of, without_weights

ABO_PICTURES = 398_212


def run() -> None:
    for line in table(load_settings().lora):
        print(line)


def table(settings: Lora) -> list[str]:
    """Lines of Markdown, a model each below the header."""
    titles = [
        "model",
        "parameters",
        "LoRA trains",
        "cache",
        "train 1 pair",
        "4 pairs",
        "answer",
        "all of ABO",
    ]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for name in PUBLISHED:
        sizes, trainable = sized(name, settings)
        total = sizes.vision + sizes.qformer + sizes.language
        lines.append(
            f"| {name} | {total / 1e9:.2f} B | {trainable / 1e6:.1f} M ({trainable / sizes.language:.2%}) "
            f"| {sizes.cache_gb:.1f} GB | {sizes.train_gb[1]:.1f} GB | {sizes.train_gb[4]:.1f} GB "
            f"| {sizes.answer_gb:.1f} GB | {sizes.row_kb * ABO_PICTURES / 1e6:.1f} GB |"
        )
    return lines


def sized(name: str, settings: Lora) -> tuple[Sizes, int]:
    """The sizes of a published model, and how many parameters an adapter of `settings` trains."""
    with torch.device("meta"):
        wrapped = lora.adapted(without_weights(name).language_model, settings, name)
    trainable, _ = lora.trainable_share(wrapped)
    return sizes_of(without_weights(name), trainable), trainable


if __name__ == "__main__":
    run_command(run)
