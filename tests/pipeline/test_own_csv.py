"""generate.csv as DVC sees it: wanted where it is read, and nowhere else."""

from pathlib import Path

import pytest

from clone import Clone


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("clone"))
    clone.change("demo.images", 20)
    clone.change("generate.csv", "mine.csv")
    return clone


def test_a_csv_that_nobody_reads_need_not_be_there(clone: Clone) -> None:
    assert not (clone.folder / "mine.csv").exists()
    assert clone.dvc("repro", "generate").count("Running stage") == 2
    assert "metadata" in _generated(clone)


def test_one_that_is_read_must_be_there_and_each_change_of_it_is_seen(clone: Clone) -> None:
    clone.change("generate.annotator", "csv")
    missing = clone.run("dvc", "repro", "generate")
    assert missing.returncode != 0
    assert "mine.csv" in missing.stdout + missing.stderr
    table = clone.folder / "mine.csv"
    table.write_text("image_name,question,answer\na.jpg,What color is it?,red\n")
    clone.dvc("repro", "generate")
    assert "red" in _generated(clone)
    assert "didn't change" in clone.dvc("repro", "generate")
    table.write_text(table.read_text().replace("red", "blue"))
    clone.dvc("repro", "generate")
    assert "blue" in _generated(clone)


def _generated(clone: Clone) -> str:
    return Path(clone.folder / "data/vqa/generated.csv").read_text()
