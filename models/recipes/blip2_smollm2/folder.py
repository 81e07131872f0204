"""The model's folder in the hub's layout.

    config.json, generation_config.json, processor_config.json   the shape; in git
    qformer.safetensors          what was made here: Q-Former, queries, projection; in git
    vision_model.safetensors     the frozen ViT, fp32
    language_model.safetensors   the frozen language model, fp32
    tokenizer.json, tokenizer_config.json, chat_template.jinja
    model.safetensors.index.json which tensor lies in which file

What is not in git is written here from two files, byte for byte the same each time.
"""

from pathlib import Path

from safetensors import safe_open

from vqa.core.files import write_json

QFORMER = "qformer.safetensors"
VISION = "vision_model.safetensors"
LANGUAGE = "language_model.safetensors"
INDEX = "model.safetensors.index.json"
_SHARDS = (QFORMER, VISION, LANGUAGE)
# Where the parts lie in Blip2ForConditionalGeneration.
VISION_PREFIX, LANGUAGE_PREFIX = "vision_model.", "language_model."


def write_index(folder: Path) -> None:
    """Enter every tensor of the parts that are there into the index."""
    names: dict[str, str] = {}
    total = 0
    for shard in _SHARDS:
        if (folder / shard).is_file():
            with safe_open(folder / shard, framework="pt") as file:
                names |= dict.fromkeys(file.keys(), shard)
            total += (folder / shard).stat().st_size
    write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": dict(sorted(names.items()))})
