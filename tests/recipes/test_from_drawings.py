"""What made the small model, at a few steps."""

from pathlib import Path

import pytest
import torch

from small_blip2 import from_drawings, loop
from vqa.vlm.loading import Pretrained


@pytest.fixture
def tiny_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Constants for a run of seconds; the folder it writes to."""
    small = {"IMAGES": 8, "BATCH": 2, "SIGHT_STEPS": 4, "LANGUAGE_STEPS": 4}
    for name, value in small.items():
        monkeypatch.setattr(from_drawings, name, value)
    monkeypatch.setattr(loop, "WARM_UP_STEPS", 1)
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)
    return tmp_path / "model"


def test_a_run_that_was_cut_off_ends_with_the_weights_of_one_that_was_not(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_drawings.pretrain(tiny_run, seed=0)
    undisturbed = Pretrained(str(tiny_run)).load(torch.device("cpu")).state_dict()
    curve = (tiny_run / "loss.csv").read_text()
    (tiny_run / "model.safetensors").unlink()

    learning_rate = loop.learning_rate
    for stage_peak_step in (3, 2):  # in the first stage, then in the second

        def cut(step: int, steps: int, peak: float, at: int = stage_peak_step) -> float:
            if step == at:
                raise KeyboardInterrupt
            return learning_rate(step, steps, peak)

        monkeypatch.setattr(loop, "learning_rate", cut)
        with pytest.raises(KeyboardInterrupt):
            from_drawings.pretrain(tiny_run, seed=0)
    monkeypatch.setattr(loop, "learning_rate", learning_rate)
    from_drawings.pretrain(tiny_run, seed=0)
    resumed = Pretrained(str(tiny_run)).load(torch.device("cpu")).state_dict()
    assert all(torch.equal(resumed[name], weights) for name, weights in undisturbed.items())
    assert (tiny_run / "loss.csv").read_text() == curve
    assert not tiny_run.with_name("model.work").exists()
