"""Measure how fast images and questions become answers: baseline, adapter merged, adapter beside → metrics.

    python src/measure_speed.py

In: data/vqa/test.csv, images at data.root, models/adapter/best, the model, of which one copy is loaded.
Out: metrics/speed.json. A stage of its own, so that no other result waits for it, or is lost with it.
"""

from pathlib import Path

from vqa.catalogue.abo import image_path
from vqa.catalogue.manifest import read_tree
from vqa.core.devices import default_device
from vqa.core.errors import run_stage
from vqa.core.files import write_json
from vqa.inference.speed import Work, measure_speeds, pairs_of_first_images
from vqa.pairs.pair import read_pairs
from vqa.settings import load_settings
from vqa.vlm import attached_adapter
from vqa.vlm.base_model import check_fits
from vqa.vlm.loading import Pretrained

TEST = Path("data/vqa/test.csv")
ADAPTER = Path("models/adapter/best")
METRICS = Path("metrics/speed.json")


def run() -> None:
    settings = load_settings()
    device, level = default_device(), settings.features.level
    pretrained = Pretrained.of(settings.model)
    check_fits(ADAPTER, pretrained.identity(device))
    pairs = pairs_of_first_images(read_pairs(TEST), settings.benchmark.images)
    root = read_tree(settings.data.root)
    paths = {pair.image_name: image_path(root, pair.image_name) for pair in pairs}

    encoder, model = pretrained.load_model_parts(settings.model.prompt, device, level)
    work = Work(
        pairs,
        paths,
        encoder,
        model,
        settings.decoding.batch_size,
        settings.decoding.max_new_tokens,
        settings.decoding.num_beams,
    )
    can_merge = settings.model.quantization == "none"
    speeds = measure_speeds(work, attached_adapter.AttachedAdapter(model, ADAPTER), can_merge)
    write_json(METRICS, speeds)
    spread = f"[{speeds['ratio_low']:.2f}, {speeds['ratio_high']:.2f}]"
    print(f"LoRA answers come at {speeds['ratio']:.2f} {spread} times the baseline's speed ({METRICS})")


if __name__ == "__main__":
    run_stage(run)
