"""Images → shards: what is computed, what is copied, and what is refused by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import Blip2Processor

from feature_stores import MODEL, RECIPE
from toy import toy_model
from vqa.core.errors import InputError
from vqa.core.files import sha256_file
from vqa.features.encoding import content_hashes, make_shards, together
from vqa.features.shards import finish, plan
from vqa.features.store import FeatureStore
from vqa.vlm.blip2 import Blip2ImageEncoder
from vqa.vlm.interfaces import ImageEncoder


@pytest.fixture
def encoder(processor: Blip2Processor) -> Blip2ImageEncoder:
    return Blip2ImageEncoder(toy_model("opt", processor), processor, torch.device("cpu"))


@pytest.fixture
def paths(drawings: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Image name → file; hashes are remembered in the same folder."""
    monkeypatch.chdir(tmp_path)
    for number, drawing in enumerate(drawings[:5]):
        drawing.save(tmp_path / f"{number}.png")
    return {f"{number}.png": tmp_path / f"{number}.png" for number in range(5)}


def store_of(paths: Mapping[str, Path], encoder: ImageEncoder | None) -> FeatureStore:
    """The store of these images in shards of two, made with `encoder`; None: there is nothing to encode."""
    folder, work = Path("features"), Path("work")
    hashes = content_hashes(paths)
    todo = plan(folder, work, list(hashes.values()), RECIPE, images_per_shard=2)

    def load() -> ImageEncoder:
        assert encoder is not None
        return encoder

    path_of = {hashes[name]: path for name, path in paths.items()}
    make_shards(work, todo.missing, todo, path_of, RECIPE, load, batch_size=3, workers=0)
    finish(folder, work, todo, hashes, RECIPE, {"torch": "1"})
    return FeatureStore(folder, MODEL, "qformer")


def test_features_in_shards_are_those_of_each_image_alone(
    paths: dict[str, Path], encoder: Blip2ImageEncoder, drawings: list[Image.Image]
) -> None:
    store = store_of(paths, encoder)
    for number, drawing in enumerate(drawings[:5]):
        with torch.inference_mode():
            alone: Tensor = encoder.features(encoder.pixels([drawing]))[0]
        torch.testing.assert_close(store[f"{number}.png"], alone)


def test_rows_that_are_there_are_copied_and_the_encoder_is_not_even_loaded(
    paths: dict[str, Path], encoder: Blip2ImageEncoder
) -> None:
    before = store_of(paths, encoder)
    rows = {name: before[name].clone() for name in paths}
    left = {name: path for name, path in paths.items() if name in ("0.png", "3.png", "4.png")}
    after = store_of(left, None)
    assert all(torch.equal(after[name], rows[name]) for name in left)


def test_an_image_that_changed_or_went_since_validation_is_named(
    paths: dict[str, Path], encoder: Blip2ImageEncoder
) -> None:
    paths["2.png"].write_bytes(b"no image")
    with pytest.raises(
        InputError, match=r"2\.png changed after validation \(image_unreadable\); run dvc repro"
    ):
        store_of(paths, encoder)
    paths["2.png"].unlink()
    with pytest.raises(InputError, match=r"2\.png is gone since validation; restore it or run dvc repro"):
        content_hashes(paths)


def test_a_hash_is_of_the_file_s_bytes(paths: dict[str, Path]) -> None:
    assert content_hashes(paths) == {name: sha256_file(path) for name, path in paths.items()}


def test_a_batch_is_one_tensor_a_list_or_its_first_problem() -> None:
    alike: list[Any] = [torch.zeros(3, 2, 2), torch.ones(3, 2, 2)]
    assert together(alike).shape == (2, 3, 2, 2)
    assert together([("one",), ("two",)]) == [("one",), ("two",)]
    assert together([alike[0], "first problem", "second problem"]) == "first problem"
