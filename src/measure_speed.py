"""Measure how fast pictures and questions become answers: base, adapter merged, adapter beside → metrics.

    python src/measure_speed.py

In: data/vqa/test.csv, pictures at data.root, models/adapter/best, the model, of which one copy is loaded.
Out: metrics/speed.json. A stage of its own, so that nothing else waits for the clock, or is lost with it.
"""

from pathlib import Path

from vqa.catalogue.abo import image_path
from vqa.catalogue.stamp import tree_of
from vqa.foundation.devices import default_device
from vqa.foundation.errors import run_stage
from vqa.foundation.files import write_json
from vqa.inference.speed import Work, pairs_of_first_images, speeds_of
from vqa.pairs.pair import read_pairs
from vqa.settings import load_settings
from vqa.vlm import attached_adapter
from vqa.vlm.base_model import check_fits
from vqa.vlm.pretrained import Pretrained

TEST = Path("data/vqa/test.csv")
ADAPTER = Path("models/adapter/best")
METRICS = Path("metrics/speed.json")


def run() -> None:
    settings = load_settings()
    device, level = default_device(), settings.features.level
    pretrained = Pretrained.of(settings.model)
    check_fits(ADAPTER, pretrained.identity(device))
    pairs = pairs_of_first_images(read_pairs(TEST), settings.benchmark.images)
    root = tree_of(settings.data.root)
    paths = {pair.image_name: image_path(root, pair.image_name) for pair in pairs}

    encoder, model = pretrained.load_halves(settings.model.prompt, device, level)
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
    speeds = speeds_of(work, attached_adapter.AttachedAdapter(model, ADAPTER), can_merge)
    write_json(METRICS, speeds)
    spread = f"[{speeds['ratio_low']:.2f}, {speeds['ratio_high']:.2f}]"
    print(f"adapted answers come at {speeds['ratio']:.2f} {spread} times the base model's speed ({METRICS})")


if __name__ == "__main__":
    run_stage(run)
