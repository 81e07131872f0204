"""Long work in a log: lines instead of a bar that is redrawn."""

import pytest

from vqa.core.progress import progress_bar


def test_in_a_log_each_state_is_a_line_of_its_own_and_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    with progress_bar(4, "pair", "training", done=1) as bar:
        for _ in range(3):
            bar.update()
    printed = capsys.readouterr().err
    assert "\r" not in printed
    lines = printed.splitlines()
    assert all(line.startswith("training: ") for line in lines)
    assert len(lines) == len(set(lines))
    assert " 1/4 " in lines[0]
    assert "100%" in lines[-1]
    assert " 4/4 " in lines[-1]


def test_in_a_log_a_thousand_quick_steps_are_few_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TQDM_MININTERVAL", raising=False)
    with progress_bar(1000, "pair", "training") as bar:
        for _ in range(1000):
            bar.update()
    assert len(capsys.readouterr().err.splitlines()) <= 2


def test_another_process_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(3, "pair", "training", is_shown=False) as bar:
        bar.update()
    assert capsys.readouterr().err == ""
