from pathlib import Path

import pytest

from vqa.unfinished import Unfinished, folder_of_run, remove_run, say_what_else_is_kept


def test_results_come_back_to_the_same_run_alone_whoever_wrote_them(tmp_path: Path) -> None:
    for number in (1, 7):  # two processes
        Unfinished(tmp_path, {"r": 4}).add(number, [f"text {number}"])
    assert Unfinished(tmp_path, {"r": 4}).read() == {1: ["text 1"], 7: ["text 7"]}
    assert Unfinished(tmp_path, {"r": 8}).read() == {}


def test_a_torn_last_line_is_forgotten_and_nothing_is_put_behind_it(tmp_path: Path) -> None:
    first = Unfinished(tmp_path, {"r": 4})
    first.add(1, "whole")
    first.add(2, "torn")
    (file,) = first.folder.iterdir()
    file.write_text(file.read_text()[:-3])
    second = Unfinished(tmp_path, {"r": 4})
    assert second.read() == {1: "whole"}
    second.add(2, "again")
    assert Unfinished(tmp_path, {"r": 4}).read() == {1: "whole", 2: "again"}


def test_a_finished_run_leaves_nothing_and_others_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, other = Unfinished(tmp_path / "work", {"r": 4}), Unfinished(tmp_path / "work", {"r": 8})
    mine.add(1, "a")
    other.add(1, "b")
    say_what_else_is_kept(mine.folder)
    assert "keeps 1 unfinished run(s) of other settings" in capsys.readouterr().out
    mine.remove()
    assert other.read() == {1: "b"}
    remove_run(folder_of_run(tmp_path / "work", {"r": 8}))
    assert not (tmp_path / "work").exists()
