"""Both small models by their commands, at a few steps: the second from the eyes of the first."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import generate
import validate
from small_blip2 import cli, from_drawings, from_photographs, lessons, loop, photographs
from vqa.vlm.loading import Pretrained


def test_the_second_model_starts_from_the_first(
    project: Callable[..., Path], catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    generate.run()
    validate.run()
    for module, small in (
        (from_drawings, {"IMAGES": 8, "BATCH": 2, "SIGHT_STEPS": 2, "LANGUAGE_STEPS": 2}),
        (from_photographs, {"SYNTHETIC_IMAGES": 8, "SIGHT_STEPS": 4, "LANGUAGE_STEPS": 4}),
        (lessons, {"PHOTOGRAPHS": 2, "DRAWINGS": 1}),
        (photographs, {"LEAST_USES": 2}),
        (loop, {"WARM_UP_STEPS": 1}),
    ):
        for name, value in small.items():
            monkeypatch.setattr(module, name, value)
    cli.drawings(seed=3, out=Path("tiny"))
    cli.photographs(root=catalogue, start="tiny", out=Path("small"), share=0.0)
    first, second = (Pretrained(folder).load(torch.device("cpu")) for folder in ("tiny", "small"))
    assert torch.equal(first.query_tokens, second.query_tokens)  # not a step taken since
    assert Path("small/photographs.txt").read_text()
