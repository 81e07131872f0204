"""A feature store as its readers meet it: rows by name, and refusals that say what to run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from feature_stores import MODEL, RECIPE, build, check, features_of, images, new, sha, work_of
from vqa.core.errors import InputError
from vqa.features.shards import Recipe, finish, plan, write_shard
from vqa.features.store import FeatureStore
from vqa.vlm.image_features import ImageFeatures


def test_rows_are_found_by_name_across_shards(tmp_path: Path) -> None:
    build(tmp_path, images(0, 1, 2, 3, 4))
    check(tmp_path, images(0, 1, 2, 3, 4))
    rows = FeatureStore(tmp_path, MODEL, "qformer").rows(["4.jpg", "0.jpg", "3.jpg"])
    assert [float(row[0, 0]) for row in rows] == [float(features_of(sha(i))[0, 0]) for i in (4, 0, 3)]


def test_the_form_of_a_look_is_its_rows_and_grid_and_images_that_are_alike_have_none(
    tmp_path: Path,
) -> None:
    build(tmp_path / "alike", images(0, 1))
    assert FeatureStore(tmp_path / "alike", MODEL, "qformer").form("1.jpg") == ()
    todo = plan(tmp_path / "looks", work_of(tmp_path / "looks"), [sha(0), sha(1)], RECIPE, 2)
    per_image = {
        sha(0): ImageFeatures(torch.ones(2, 3), (1, 2)),
        sha(1): ImageFeatures(torch.ones(5, 3), (1, 5)),
    }
    for shard in todo.missing:
        write_shard(work_of(tmp_path / "looks"), shard, [per_image[p] for p in shard.images], RECIPE)
    finish(tmp_path / "looks", work_of(tmp_path / "looks"), todo, images(0, 1), RECIPE, {"torch": "1"})
    store = FeatureStore(tmp_path / "looks", MODEL, "qformer")
    assert [store.form(f"{i}.jpg") for i in range(2)] == [(2, 1, 2), (5, 1, 5)]
    assert [len(image_features.rows) for image_features in store.rows(["1.jpg", "0.jpg"])] == [5, 2]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_rows_are_those_of_the_disk_in_its_dtype_and_those_of_one_image_are_not_copied(
    tmp_path: Path, dtype: str
) -> None:
    build(tmp_path, images(0, 1), recipe=Recipe(MODEL, "qformer", dtype))
    store = FeatureStore(tmp_path, MODEL, "qformer")
    expected = torch.stack([features_of(sha(i)) for i in (1, 0)]).to(getattr(torch, dtype))
    found = store.rows(["1.jpg", "0.jpg"])
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)
    assert store.rows(["0.jpg"]).data_ptr() == store["0.jpg"].data_ptr()


@pytest.mark.parametrize("damage", [lambda data: b"no shard", lambda data: data[:-1], None])
def test_a_damaged_shard_is_named_and_made_again(
    tmp_path: Path, damage: Callable[[bytes], bytes] | None
) -> None:
    build(tmp_path, images(*range(5)))
    whole = {path: path.read_bytes() for path in tmp_path.glob("*.safetensors")}
    for path, data in whole.items():
        path.write_bytes(damage(data)) if damage else path.unlink()
    with pytest.raises(InputError, match=r"features-.* is missing or damaged .*; run dvc repro cache_feat"):
        FeatureStore(tmp_path, MODEL, "qformer")
    assert new(build(tmp_path, images(*range(5)))) == 5
    assert {path: path.read_bytes() for path in tmp_path.glob("*.safetensors")} == whole


def test_a_store_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    build(tmp_path, images(0))
    for other in ({**MODEL, "fingerprint": "0"}, {**MODEL, "processor": "0"}):
        with pytest.raises(InputError, match=r"was made by toy .* but params.yaml's model.name is toy"):
            FeatureStore(tmp_path, other, "qformer")
    with pytest.raises(InputError, match=r"holds qformer features, but params.yaml's features.level is vit"):
        FeatureStore(tmp_path, MODEL, "vit")
    with pytest.raises(InputError, match=r"has no features of 9\.jpg; run dvc repro cache_features"):
        FeatureStore(tmp_path, MODEL, "qformer")["9.jpg"]
