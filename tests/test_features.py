from pathlib import Path

import pytest
import torch

from vqa.errors import InputError
from vqa.features import FeatureStore, write_features

MODEL = {"name": "toy", "fingerprint": "f" * 64}
ROWS = [(f"{i}.jpg", torch.full((2, 3), float(i))) for i in range(5)]


def test_rows_are_found_by_name_across_shards(tmp_path: Path) -> None:
    manifest = write_features(tmp_path, ROWS, 2, torch.float32, MODEL)
    assert [shard["images"] for shard in manifest["shards"]] == [
        ["0.jpg", "1.jpg"],
        ["2.jpg", "3.jpg"],
        ["4.jpg"],
    ]
    store = FeatureStore(tmp_path, MODEL)
    rows = store.rows(["4.jpg", "0.jpg", "3.jpg"])
    assert rows.shape == (3, 2, 3)
    assert rows[:, 0, 0].tolist() == [4.0, 0.0, 3.0]


def test_half_precision_on_disk_is_read_as_fp32(tmp_path: Path) -> None:
    write_features(tmp_path, ROWS, 10, torch.bfloat16, MODEL)
    assert FeatureStore(tmp_path, MODEL)["3.jpg"].dtype == torch.float32


def test_a_store_of_another_model_an_unfinished_one_and_an_unknown_picture_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match="holds no features; run the cache_features stage"):
        FeatureStore(tmp_path, MODEL)
    write_features(tmp_path, ROWS, 10, torch.float32, MODEL)
    other = {"name": "other", "fingerprint": "0" * 64}
    with pytest.raises(InputError, match=r"was made by toy .* but params.yaml's model.name is other"):
        FeatureStore(tmp_path, other)
    with pytest.raises(InputError, match=r"has no features of 9\.jpg; run dvc repro cache_features"):
        FeatureStore(tmp_path, MODEL)["9.jpg"]
