import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paths import ROOT
from vqa.core.errors import InputError
from vqa.core.partial_results import (
    PartialResults,
    lock_run,
    map_resumable,
    remove_run,
    report_other_runs,
    run_folder,
)


def test_results_come_back_to_the_same_run_alone_whoever_wrote_them(tmp_path: Path) -> None:
    for number in (1, 7):  # two processes
        PartialResults(tmp_path, {"r": 4}).add({number: [f"text {number}"]})
    assert PartialResults(tmp_path, {"r": 4}).read() == {1: ["text 1"], 7: ["text 7"]}
    assert PartialResults(tmp_path, {"r": 8}).read() == {}


def test_a_torn_last_line_is_forgotten_and_nothing_is_put_behind_it(tmp_path: Path) -> None:
    first = PartialResults(tmp_path, {"r": 4})
    first.add({1: "whole"})
    first.add({2: "torn"})
    (file,) = first.folder.iterdir()
    file.write_text(file.read_text()[:-3])
    second = PartialResults(tmp_path, {"r": 4})
    assert second.read() == {1: "whole"}
    second.add({2: "again"})
    assert PartialResults(tmp_path, {"r": 4}).read() == {1: "whole", 2: "again"}


def test_a_finished_run_leaves_nothing_and_others_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, other = PartialResults(tmp_path / "work", {"r": 4}), PartialResults(tmp_path / "work", {"r": 8})
    mine.add({1: "a"})
    other.add({1: "b"})
    report_other_runs(mine.folder)
    assert "keeps 1 unfinished run(s) of other settings" in capsys.readouterr().out
    mine.remove()
    assert other.read() == {1: "b"}
    remove_run(run_folder(tmp_path / "work", {"r": 8}))
    assert not (tmp_path / "work").exists()


def test_a_second_run_of_the_same_is_told_to_wait_and_others_are_not(tmp_path: Path) -> None:
    mine, other = (run_folder(tmp_path / "work", {"r": r}) for r in (4, 8))
    with lock_run([mine], is_first=True):
        with (
            pytest.raises(InputError, match=r"^another run is writing .*/lock; wait for it to end$"),
            lock_run([other, mine], is_first=True),
        ):
            pytest.fail("two runs are in one folder")
        with (
            lock_run([other], is_first=True),
            lock_run([mine], is_first=False),
        ):  # another process of the same run
            pass
    with lock_run([mine], is_first=True):
        pass
    assert not (tmp_path / "work").exists()  # nothing was begun


def test_a_finished_run_takes_its_lock_along_and_the_next_one_starts_anew(tmp_path: Path) -> None:
    mine = PartialResults(tmp_path / "work", {"r": 4})
    with lock_run([mine.folder], is_first=True):
        mine.add({1: "a"})
        mine.remove()
    assert not (tmp_path / "work").exists()
    with lock_run([mine.folder], is_first=True):
        assert mine.read() == {}


def test_a_lock_goes_with_its_killed_process_and_what_it_kept_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed, bare = PartialResults(tmp_path, {"r": 4}), run_folder(tmp_path, {"r": 8})
    killed.add({1: "a"})
    program = (
        "import sys; from pathlib import Path; from vqa.core.partial_results import lock_run\n"
        "with lock_run(map(Path, sys.argv[1:]), True): print(flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, killed.folder, bare],
        cwd=ROOT / "src",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(InputError, match="another run"), lock_run([killed.folder], is_first=True):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with lock_run([killed.folder], is_first=True):
        assert killed.read() == {1: "a"}
    report_other_runs(bare)
    assert "keeps 1 unfinished run(s)" in capsys.readouterr().out
    report_other_runs(killed.folder)  # beside it lies a lock that a kill left, and nothing else
    assert capsys.readouterr().out == ""


GROUPS = [[4, 0], [2, 5], [1, 3]]


def test_results_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    def squares(groups: list[list[int]]) -> Iterator[dict[int, int]]:
        for group in groups:
            yield {number: number**2 for number in group}

    assert map_resumable(GROUPS, squares, int, None, "number", "squares") == [0, 1, 4, 9, 16, 25]


def test_after_a_kill_only_what_is_left_is_worked_on(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys
from pathlib import Path
from vqa.core.partial_results import PartialResults, map_resumable
def work(groups):
    yield {{4: "kept", 0: "kept"}}
    yield {{5: "kept"}}
    os.kill(os.getpid(), signal.SIGKILL)
map_resumable({GROUPS}, work, str, PartialResults(Path(sys.argv[1]), {{}}), "number", "killed")
"""
    killed = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=ROOT / "src", check=False)
    assert killed.returncode == -signal.SIGKILL
    left: list[list[int]] = []

    def work(groups: list[list[int]]) -> Iterator[dict[int, str]]:
        left.extend(groups)
        yield {number: "new" for group in groups for number in group}

    found = map_resumable(GROUPS, work, str, PartialResults(tmp_path, {}), "number", "resumed")
    assert left == [[2], [1, 3]]
    assert found == ["kept", "new", "new", "new", "kept", "kept"]
    assert len(PartialResults(tmp_path, {}).read()) == 6
