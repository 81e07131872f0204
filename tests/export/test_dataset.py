"""The exported data set: what the split files hold, as pandas and `datasets` read it."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from pyarrow.parquet import ParquetFile

from vqa.catalogue.abo import image_path
from vqa.core.csv_tables import write_rows
from vqa.core.errors import InputError
from vqa.export.dataset import Census, write_dataset
from vqa.pairs.pair import Pair, write_pairs

KEPT = [
    Pair("aa1.jpg", "What colour is it?", "navy", "color", split_group="aa1.jpg"),
    Pair("aa1.jpg", "How many are there?", "2", "count", split_group="aa1.jpg", extra=(("seen_by", "Ada"),)),
    Pair("ab2.jpg", "Is that «NA»?", "na", split_group="aa1.jpg"),
]
HELD_OUT = [Pair("ac3.jpg", "What colour is it?", "red", "color", split_group="ac3.jpg")]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., dict[str, Census]]:
    """Write the pairs above to tmp_path/out, from a catalogue with their images."""
    root = tmp_path / "catalogue"
    for number, name in enumerate(("aa1.jpg", "ab2.jpg", "ac3.jpg")):
        image_path(root, name).parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((64, 64), 80 + number).save(image_path(root, name))
    splits = {"train": tmp_path / "train.csv", "test": tmp_path / "test.csv"}
    write_pairs(splits["train"], KEPT)
    write_pairs(splits["test"], HELD_OUT)

    def write(with_images: bool = False) -> dict[str, Census]:
        folder = tmp_path / ("embedded" if with_images else "linked")
        return write_dataset(folder, splits, tmp_path / "support.csv", root, with_images)

    return write


def test_every_column_of_every_pair_is_there(written: Callable[..., object], tmp_path: Path) -> None:
    written()
    train = pd.read_parquet(tmp_path / "linked/data/train.parquet")
    assert train["question"].tolist() == [pair.question for pair in KEPT]
    assert train["answer"].tolist() == ["navy", "2", "na"]
    assert train["question_type"].tolist() == ["color", "count", ""]
    assert train["seen_by"].tolist() == ["", "Ada", ""]
    assert train["split_group"].tolist() == ["aa1.jpg"] * 3
    assert train["image_file"].tolist() == ["images/small/aa/aa1.jpg"] * 2 + ["images/small/ab/ab2.jpg"]
    test = pd.read_parquet(tmp_path / "linked/data/test.parquet")
    assert test.columns.tolist() == train.columns.tolist()


def test_support_levels_stand_beside_their_pairs(
    written: Callable[..., dict[str, Census]], tmp_path: Path
) -> None:
    rows = [
        {"image_name": pair.image_name, "question": pair.question, "support": support, "needs_image": "yes"}
        for pair, support in zip(
            [*HELD_OUT, *reversed(KEPT)], ("conflicting", "unknown", "supported", "unknown"), strict=True
        )
    ]
    write_rows(tmp_path / "support.csv", list(rows[0]), rows)
    census = written()
    train = pd.read_parquet(tmp_path / "linked/data/train.parquet")
    assert train["support"].tolist() == ["unknown", "supported", "unknown"]
    assert train["needs_image"].tolist() == ["yes"] * 3
    assert census == {
        "train": Census(3, 2, 1, {"unknown": 2, "supported": 1}),
        "test": Census(1, 1, 1, {"conflicting": 1}),
    }


def test_embedded_images_are_their_files(written: Callable[..., object], tmp_path: Path) -> None:
    written(with_images=True)
    path = tmp_path / "embedded/data/train.parquet"
    files = [image_path(tmp_path / "catalogue", pair.image_name).read_bytes() for pair in KEPT]
    images = pd.read_parquet(path)["image"]
    assert [image["bytes"] for image in images] == files
    assert Image.open(io.BytesIO(images[0]["bytes"])).size == (64, 64)
    features = json.loads(ParquetFile(path).schema_arrow.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features.keys() == set(ParquetFile(path).schema_arrow.names)


def test_an_image_is_stored_once_however_many_questions_it_has(tmp_path: Path) -> None:
    root, sizes = tmp_path, []
    image_path(root, "aa1.jpg").parent.mkdir(parents=True)
    Image.effect_noise((256, 256), 100).save(image_path(root, "aa1.jpg"))
    for questions in (1, 20):
        pairs = [
            Pair("aa1.jpg", f"What is number {i}?", "1", split_group="aa1.jpg") for i in range(questions)
        ]
        write_pairs(root / "train.csv", pairs)
        out = tmp_path / str(questions)
        write_dataset(out, {"train": root / "train.csv"}, tmp_path / "none.csv", root, with_images=True)
        sizes.append((out / "data/train.parquet").stat().st_size)
    assert sizes[1] < 1.1 * sizes[0]


def test_an_image_that_is_gone_is_named(written: Callable[..., object], tmp_path: Path) -> None:
    image_path(tmp_path / "catalogue", "ac3.jpg").unlink()
    written()  # by their places alone
    with pytest.raises(InputError, match=r"ac3\.jpg cannot be read \(No such file or directory\)"):
        written(with_images=True)
