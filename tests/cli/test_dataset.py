"""Exporting the pairs: a folder for the hub, from a project whose pairs are validated."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from huggingface_hub import DatasetCard

import generate
import validate
from vqa.cli import dataset
from vqa.cli.dataset import Format, Images
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import read_json, write_json
from vqa.pairs.pair import SPLITS


@pytest.fixture
def validated(project: Callable[..., Path]) -> Path:
    folder = project()
    generate.run()
    validate.run()
    return folder


def test_the_folder_holds_all_pairs_by_split_and_a_card(validated: Path) -> None:
    dataset.run(images=Images.EMBED, license="cc0-1.0")
    card = DatasetCard.load(validated / "data/export/README.md")
    assert card.data.to_dict()["license"] == "cc0-1.0"
    (config,) = card.data.to_dict()["configs"]
    assert [entry["split"] for entry in config["data_files"]] == list(SPLITS)
    for entry in config["data_files"]:
        frame = pd.read_parquet(validated / "data/export" / entry["path"])
        rows = read_rows(validated / f"data/vqa/{entry['split']}.csv", ("question",))
        assert frame.drop(columns=["image", "image_file"]).to_dict("records") == rows
        assert f"| {entry['split']} | {len(rows)} |" in card.text


def test_messages_have_a_folder_and_a_card_of_their_own(validated: Path) -> None:
    dataset.run(license="cc0-1.0")
    dataset.run(format=Format.MESSAGES, license="cc0-1.0")
    folder = validated / "data/export-messages"
    card = DatasetCard.load(folder / "README.md")
    (config,) = card.data.to_dict()["configs"]
    assert [entry["path"] for entry in config["data_files"]] == [f"{split}.jsonl" for split in SPLITS]
    for split in SPLITS:
        rows = [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]
        pairs = read_rows(validated / f"data/vqa/{split}.csv", ("question",))
        assert [row["messages"][1]["content"] for row in rows] == [pair["answer"] for pair in pairs]
        assert all(Path(row["images"][0]).is_file() for row in rows)
    assert "on the machine that wrote this" in card.text
    assert (validated / "data/export/data/test.parquet").is_file()


@pytest.mark.parametrize("format", list(Format))
def test_a_folder_with_other_things_in_it_is_not_replaced(validated: Path, format: Format) -> None:  # noqa: A002
    dataset.run(format=format, license="cc0-1.0")
    dataset.run(format=format, license="cc0-1.0", images=Images.EMBED)  # its own, again
    with pytest.raises(InputError, match=r"data holds export.*, which would be lost"):
        dataset.run(out=Path("data"), format=format, license="cc0-1.0")
    assert (validated / "data/vqa/train.csv").is_file()


def test_nobody_else_s_images_are_given_a_licence(validated: Path) -> None:
    with pytest.raises(InputError, match=r"--license is missing: nobody but you knows"):
        dataset.run()
    assert not (validated / "data/export").exists()


def test_metrics_of_other_pairs_are_not_put_into_the_card(validated: Path) -> None:
    metrics = read_json(validated / "metrics/data.json")
    metrics["splits"]["val"]["pairs"] += 1
    write_json(validated / "metrics/data.json", metrics)
    with pytest.raises(InputError, match=r"counts other pairs than data/vqa holds; run dvc repro validate"):
        dataset.run(license="cc0-1.0")
