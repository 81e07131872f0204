import hashlib
import os
from pathlib import Path

import pytest

from vqa.core.known_hashes import KnownHashes


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that was written long ago, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    os.utime(path, ns=(0, 10**18))
    return path


def remembered(path: Path) -> str:
    hashes = KnownHashes("weights")
    found = hashes.sha256_file(path)
    hashes.keep()
    return found


def test_a_file_that_did_not_change_is_not_read_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remembered(file) == hashlib.sha256(b"one").hexdigest()
    monkeypatch.setattr("vqa.core.known_hashes.sha256_file", None)  # reading it now would raise
    assert remembered(file) == hashlib.sha256(b"one").hexdigest()


@pytest.mark.parametrize("when", [10**18, 10**18 + 1])
def test_another_size_or_time_is_another_file(file: Path, when: int) -> None:
    remembered(file)
    content = b"other" if when == 10**18 else b"two"
    file.write_bytes(content)
    os.utime(file, ns=(0, when))
    assert remembered(file) == hashlib.sha256(content).hexdigest()


def test_another_file_moved_to_its_place_is_another_file(file: Path) -> None:
    remembered(file)
    other = file.with_name("other")
    other.write_bytes(b"two")
    os.utime(other, ns=(0, 10**18))
    other.replace(file)
    assert remembered(file) == hashlib.sha256(b"two").hexdigest()


def test_a_file_just_written_may_change_within_the_clocks_grain_and_is_not_remembered(
    file: Path,
) -> None:
    file.write_bytes(b"new")
    remembered(file)
    assert not Path(".state").exists()


def test_a_damaged_memory_or_one_that_cannot_be_written_costs_only_time(file: Path) -> None:
    Path(".state/hashes").mkdir(parents=True)
    Path(".state/hashes/weights.jsonl").write_text("<<<<<<< HEAD\n")
    assert remembered(file) == remembered(file) == hashlib.sha256(b"one").hexdigest()
    Path(".state/hashes/weights.jsonl").unlink()
    Path(".state/hashes").rmdir()
    Path(".state/hashes").touch()
    assert remembered(file) == hashlib.sha256(b"one").hexdigest()
