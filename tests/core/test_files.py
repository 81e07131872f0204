import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import pytest
from filelock import lock_descriptor

from paths import ROOT
from vqa.core.errors import InputError
from vqa.core.files import locked, make_own, whole, whole_file
from vqa.validation.image_checks import check_images

LINKS = [os.link, os.symlink]
Link = Callable[[Path, Path], None]


@pytest.mark.parametrize("link", LINKS)
def test_a_file_linked_to_dvc_s_cache_is_replaced_and_not_written_through(link: Link, tmp_path: Path) -> None:
    cached, out = tmp_path / "cached", tmp_path / "out.csv"
    cached.write_text("old")
    link(cached, out)
    with whole_file(out) as file:
        file.write("new")
    assert (cached.read_text(), out.read_text(), out.is_symlink()) == ("old", "new", False)


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "best"
    for number in (1, 2):
        with whole(out) as folder:
            folder.mkdir()
            (folder / f"{number}.txt").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")] == ["deep/best/2.txt"]


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(is_folder: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    (tmp_path / "out.tmp").mkdir()  # what a kill left
    with pytest.raises(RuntimeError), whole(out) as other:
        other.mkdir() if is_folder else other.write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert out.read_text() == "old"


@pytest.mark.parametrize("link", LINKS)
def test_what_is_appended_to_an_own_copy_does_not_reach_the_cache(link: Link, tmp_path: Path) -> None:
    cached, out = tmp_path / "cached", tmp_path / "lines"
    cached.write_text("one\n")
    cached.chmod(0o444)
    link(cached, out)
    make_own(out)
    with out.open("a") as file:
        file.write("two\n")
    assert (cached.read_text(), out.read_text()) == ("one\n", "one\ntwo\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cached", "lines"]


def test_a_link_to_what_the_cache_no_longer_holds_goes(tmp_path: Path) -> None:
    out = tmp_path / "lines"
    out.symlink_to(tmp_path / "gone")
    make_own(out)
    assert not out.is_symlink()


def test_a_file_that_is_our_own_stays_the_same_file(tmp_path: Path) -> None:
    out = tmp_path / "lines"
    make_own(out)  # not there yet
    out.write_text("one\n")
    number = out.stat().st_ino
    make_own(out)
    assert out.stat().st_ino == number


def test_images_seen_are_remembered_in_an_own_copy(catalogue: Path, tmp_path: Path) -> None:
    cached, memory = tmp_path / "cached", tmp_path / "images.jsonl"
    cached.touch()  # and with it every other empty file that DVC keeps
    os.link(cached, memory)
    names = sorted(path.name for path in (catalogue / "images/small").glob("*/*"))[:3]
    assert len(check_images(catalogue, names, memory)) == 3
    assert cached.read_bytes() == b""
    assert memory.read_bytes().count(b"\n") == 3


def test_a_lock_that_its_holder_removed_before_it_was_ours_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"

    def late(descriptor: int, *, blocking: bool = True) -> bool:
        monkeypatch.setattr("vqa.core.files.lock_descriptor", lock_descriptor)
        path.unlink()  # the run that had it ends
        return lock_descriptor(descriptor, blocking=blocking)

    monkeypatch.setattr("vqa.core.files.lock_descriptor", late)
    with locked(path) as file:
        assert os.path.samestat(os.fstat(file.fileno()), path.stat())


HOLD = """
import sys
from pathlib import Path
from vqa.core.files import locked
file = locked(Path(sys.argv[1]), waits=True)
file.write(b"held ")
print("held", flush=True)
sys.stdin.read()
"""


def holding(path: Path) -> subprocess.Popen[str]:
    """A process that waits for the lock, holds it and writes a word into the file."""
    command = [sys.executable, "-c", HOLD, str(path)]
    return subprocess.Popen(
        command, cwd=ROOT / "src", stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, bufsize=1
    )


def test_a_killed_process_leaves_its_lock_and_what_it_wrote_to_the_one_that_waits(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with holding(path) as killed:
        assert killed.stdout
        assert killed.stdout.readline() == "held\n"
        waiting = holding(path)
        assert waiting.stdout
        assert waiting.stderr
        assert waiting.stderr.readline() == f"waiting for another run that holds {path}\n"
        with pytest.raises(InputError, match=r"^another run is writing .*ledger\.jsonl; wait for it to end$"):
            locked(path)
        killed.kill()
        assert waiting.stdout.readline() == "held\n"
    waiting.kill()
    waiting.communicate()
    with locked(path) as file:
        file.write(b"held")
    assert path.read_text() == "held held held"
