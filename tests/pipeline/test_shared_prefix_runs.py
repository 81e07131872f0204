"""Training behind shared image prefixes as it is started, killed and divided, of each seam family."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import cache_features
import generate
import train
import validate
import verify
from commands import contents, killed_at, run, shared_out
from toy_image_text import image_text_folder

Project = Callable[..., Path]
BEST = Path("models/adapter/best")


def prepared(project: Project, family: str, folder: Path, **changes: Any) -> None:
    """A project with the family's features, ready to train; some 100 pairs, four of an image in a step."""
    image_text_folder(family, folder)
    settings = {"checkpoint_steps": 7, "learning_rate": 1e-3, "batch_size": 4, "micro_batch_size": 4}
    project(
        model={"name": str(folder)},
        lora={"r": 4, "dropout": 0.0},
        train=settings | {"questions_per_prefix": 4, "images": 12} | changes,
    )
    for stage in (generate, validate, verify, cache_features):
        stage.run()


@pytest.mark.parametrize("family", ["llava", "idefics3", "smolvlm", "qwen2_5_vl"])
def test_a_killed_run_ends_with_the_bytes_of_one_undisturbed_and_two_processes_with_its_weights(
    project: Project, tmp_path: Path, family: str
) -> None:
    prepared(project, family, tmp_path / "toy", micro_batch_size=2)
    assert "a row a pair" not in run("train")
    undisturbed, weights = contents(BEST), load_file(BEST / "adapter_model.safetensors")
    killed_at("train", r"training: .* [34]\d/\d+ ")
    assert re.search(r"continuing from \S*checkpoint-\d+", run("train"))
    assert contents(BEST) == undisturbed
    shared_out("train")
    for name, weight in load_file(BEST / "adapter_model.safetensors").items():
        # Sums divided otherwise; Adam moves a weight with no other gradient by up to a whole step.
        torch.testing.assert_close(weight, weights[name], atol=1e-3, rtol=0)


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_a_whole_batch_behind_prefixes_trains_as_its_accumulated_rows_a_pair_do(
    project: Project, tmp_path: Path, family: str
) -> None:
    prepared(project, family, tmp_path / "toy")
    train.run()
    whole = load_file(BEST / "adapter_model.safetensors")
    prepared(project, family, tmp_path / "toy", micro_batch_size=1)
    train.run()
    for name, weight in load_file(BEST / "adapter_model.safetensors").items():
        torch.testing.assert_close(weight, whole[name], atol=1e-3, rtol=0)


def test_paligemma_trains_a_row_a_pair_and_says_why(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(project, "paligemma", tmp_path / "toy", images=3)
    train.run()
    said = "a row a pair, no shared image prefix: paligemma's prompt sees its image, and its image the prompt"
    assert said in capsys.readouterr().out
