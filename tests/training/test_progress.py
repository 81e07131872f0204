"""What runs beside a training: its bar, its plots and its checkpoints."""

from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from vqa.training.progress import LivePlots, MinutesBetweenCheckpoints, PairsBar


def test_the_speed_is_of_the_steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps of 8 pairs take 2 and 6 seconds; the validation between them takes 100."""
    clock = iter([0.0, 2.0, 102.0, 108.0])
    monkeypatch.setattr("vqa.training.progress.time.perf_counter", lambda: next(clock))
    bar, given = PairsBar(8), (TrainingArguments(), TrainerState(), TrainerControl())
    assert bar.pairs_per_second == 0.0
    for _ in range(2):
        bar.on_step_begin(*given)
        bar.on_step_end(*given)
    assert bar.pairs_per_second == 2.0  # 16 pairs in 8 seconds


def test_a_run_that_continues_plots_every_step_once(tmp_path: Path) -> None:
    plots, arguments, control = LivePlots(tmp_path / "live"), TrainingArguments(), TrainerControl()
    (tmp_path / "live").mkdir()
    (tmp_path / "live/of_an_earlier_run").touch()
    state = TrainerState(log_history=[{"step": 5, "loss": 2.0, "eval_exact_match": 0.25, "runtime": 1.0}])
    plots.on_train_begin(arguments, state, control)
    state.global_step = 10
    plots.on_log(arguments, state, control, logs={"loss": 1.0})
    plots.on_train_end(arguments, state, control)
    written = {path.name: path.read_text().split() for path in (tmp_path / "live").rglob("*.tsv")}
    assert written == {
        "loss.tsv": ["step", "loss", "5", "2.0", "10", "1.0"],
        "exact_match.tsv": ["step", "exact_match", "5", "0.25"],
    }
    assert not (tmp_path / "live/of_an_earlier_run").exists()


def test_a_step_that_is_saved_is_logged(tmp_path: Path) -> None:
    plots = LivePlots(tmp_path / "live")
    for is_saved in (False, True):
        control = TrainerControl(should_save=is_saved)
        plots.on_step_end(TrainingArguments(), TrainerState(), control)
        assert control.should_log is is_saved


def test_checkpoints_are_minutes_apart_and_the_last_step_has_one() -> None:
    clock = iter([0.0, 100.0, 300.0, 300.0, 599.0])  # begin, step 1, step 2 twice, step 3
    pauses = MinutesBetweenCheckpoints(5, lambda: next(clock, 600.0))
    state = TrainerState(max_steps=4)
    arguments, saved = TrainingArguments(), []
    pauses.on_train_begin(arguments, state, TrainerControl())
    for state.global_step in (1, 2, 3, 4):
        control = TrainerControl(should_save=True)
        pauses.on_step_end(arguments, state, control)
        saved.append(control.should_save)
    assert saved == [False, True, False, True]
