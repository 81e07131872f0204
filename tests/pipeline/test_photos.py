"""Real photographs with the small model that has looked at some of them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig

import generate
import validate
from paths import ROOT
from stages import TO_JUDGED
from vqa.core.files import read_json
from vqa.inference.answerer import read_training_summary
from vqa.memory_estimate.meta_device import on_meta
from vqa.overlays import read_yaml
from vqa.settings import load_settings
from vqa.validation.declared_splits import read_splits
from vqa.validation.splits import images_seen
from vqa.vlm.base_model import check_fits
from vqa.vlm.loading import Pretrained

Project = Callable[..., Path]
PRESET = ROOT / "configs/presets/photos.yaml"
PHOTOS: dict[str, dict[str, Any]] = read_yaml(PRESET.read_text())


@pytest.fixture
def photos(project: Project, shared: Path) -> Callable[[int | None], None]:
    """Make a project with the settings of configs/presets/photos.yaml and the pairs of so many images."""

    def make(images: int | None) -> None:
        lines = (shared / "vqa/abo_photos_gemini_1_5_flash.csv").read_text().splitlines(keepends=True)
        rows = lines if images is None else lines[: 1 + 5 * images]
        here: dict[str, dict[str, Any]] = {
            "data": {"root": str(shared / "abo_photos")},
            "generate": {"csv": "photos.csv"},
            "model": {"name": str(ROOT / "models/blip2-small")},
            "train": {"epochs": 1},
        }
        folder = project(**{block: values | here.get(block, {}) for block, values in PHOTOS.items()})
        (folder / "photos.csv").write_text("".join(rows))

    return make


def seen_and_split() -> tuple[set[str], Counter[str]]:
    """Splits of the images that the small model has seen, and how many images each split has."""
    split_of = read_splits(Path("data/vqa/splits.json"))[1]
    seen = images_seen(ROOT / "models/blip2-small") or frozenset()
    return {split_of[image] for image in seen if image in split_of}, Counter(split_of.values())


def test_the_settings_are_valid() -> None:
    assert load_settings(ROOT / "params.yaml", PRESET).model.name == "models/blip2-small"


def test_the_committed_qformer_is_what_the_shape_lacks_and_has_seen_what_the_small_model_has() -> None:
    folder = ROOT / "models/blip2-smollm2"
    model = on_meta(AutoConfig.from_pretrained(folder))
    made = ("qformer.", "query_tokens", "language_projection.")
    wanted = {name: list(t.shape) for name, t in model.state_dict().items() if name.startswith(made)}
    with safe_open(folder / "qformer.safetensors", framework="pt") as file:
        tensors = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 – no mapping
        assert {name: tensor.get_shape() for name, tensor in tensors.items()} == wanted
        assert {tensor.get_dtype() for tensor in tensors.values()} == {"BF16"}
    assert (folder / "qformer.safetensors").stat().st_size < 30_000_000
    assert images_seen(folder) == images_seen(ROOT / "models/blip2-small")
    assert (
        load_settings(ROOT / "params.yaml", PRESET, PRESET.with_stem("blip2-smollm2")).features.level == "vit"
    )


def test_fifty_photographs_run_to_the_end(photos: Callable[[int | None], None]) -> None:
    photos(50)
    for stage in TO_JUDGED:
        stage.run()
    metrics = read_json(Path("metrics/evaluate.json"))
    assert metrics["data"]["test_images"] == 8
    assert seen_and_split()[1]["train"] >= 35  # those it has seen
    assert metrics["lora"]["exact_match"] > metrics["baseline"]["exact_match"]


def test_the_small_model_has_seen_no_validation_or_test_photograph(
    photos: Callable[[int | None], None],
) -> None:
    photos(None)
    generate.run()
    validate.run()
    seen, counts = seen_and_split()
    assert seen == {"train"}
    assert counts["test"] >= 1000


def test_the_committed_adapter_fits_its_committed_model_and_says_what_it_was_taught() -> None:
    adapter = ROOT / "models/adapter-photos"
    if not adapter.is_dir():
        pytest.skip(
            "models/adapter-photos, python src export's adapter of the preset photos, is not committed"
        )
    assert sum(file.stat().st_size for file in adapter.iterdir()) <= 5_000_000
    model = Pretrained(str(ROOT / "models/blip2-small"))
    check_fits(adapter, model.identity(torch.device("cpu")) | {"name": "models/blip2-small"})
    taught = read_training_summary(adapter, Path("nowhere"), Path())
    assert taught
    assert taught.data == PHOTOS["data"]["root"]
    assert (adapter / "README.md").read_text().startswith("---\nbase_model: models/blip2-small\n")
