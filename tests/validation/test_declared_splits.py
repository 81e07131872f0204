import hashlib
import subprocess
from pathlib import Path

from vqa.catalogue.images import image_id_of_content
from vqa.core.files import write_json
from vqa.validation.declared_splits import read_splits, splits_record


def written(path: Path, count: int) -> dict[str, str]:
    """A record of `count` images in splits of 7 : 1 : 2, as it was given."""
    splits = 7 * ["train"] + ["val"] + 2 * ["test"]
    ids = [image_id_of_content(hashlib.sha256(str(number).encode()).hexdigest()) for number in range(count)]
    split_of = {image: splits[number % 10] for number, image in enumerate(ids)}
    write_json(path, splits_record({"seed": 0}, split_of))
    return split_of


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    split_of = written(tmp_path / "splits.json", 5000)
    assert set(split_of.values()) == {"train", "val", "test"}
    assert read_splits(tmp_path / "splits.json") == ({"seed": 0}, split_of)
    write_json(tmp_path / "none.json", splits_record({}, {}))
    assert read_splits(tmp_path / "none.json") == ({}, {})


def test_at_full_size_an_image_costs_eleven_bytes_and_one_more_changes_one_line(tmp_path: Path) -> None:
    written(tmp_path / "before.json", 398_212)
    written(tmp_path / "after.json", 398_213)
    assert (tmp_path / "before.json").stat().st_size < 11 * 398_212
    command = ["git", "diff", "--no-index", "--numstat", "before.json", "after.json"]
    diff = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert diff.stdout.split()[:2] == ["1", "1"]
