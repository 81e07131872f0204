"""Training that goes on from an adapter which was trained before."""

import shutil
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
from paths import ROOT
from vqa.core.errors import InputError
from vqa.core.files import read_json, write_json
from vqa.settings import NEW_ADAPTER

Project = Callable[..., Path]
STARTED = Path("models/adapter-mine")
LORA = {"r": 4, "alpha": 8}
STILL = {"learning_rate": 1e-12, "epochs": 1}  # weights that training leaves as they are


def train_with(project: Project, **changes: Any) -> dict[str, torch.Tensor]:
    """Train once more in the project that stands; the weights it ends with."""
    project(lora=LORA | changes.pop("lora", {}), train=STILL | changes)
    train.run()
    return load_file("models/adapter/final/adapter_model.safetensors")


@pytest.fixture
def started(project: Project) -> dict[str, torch.Tensor]:
    """The weights of an adapter in STARTED, trained for an epoch."""
    project(lora=LORA, train={"epochs": 1})
    for stage in (generate, validate, verify, cache_features, train):
        stage.run()
    shutil.copytree("models/adapter/final", STARTED)
    return load_file(STARTED / "adapter_model.safetensors")


def test_training_goes_on_from_the_weights_of_the_adapter(
    project: Project, started: dict[str, torch.Tensor]
) -> None:
    fresh = train_with(project, start_from=NEW_ADAPTER)
    gone_on = train_with(project, start_from=str(STARTED))
    assert gone_on.keys() == started.keys() == fresh.keys()
    for name, weight in started.items():
        torch.testing.assert_close(gone_on[name], weight, atol=1e-6, rtol=0)
    assert any((fresh[name] - weight).abs().max() > 1e-3 for name, weight in started.items())


def test_an_adapter_that_changed_is_another_run(project: Project, started: dict[str, torch.Tensor]) -> None:
    before = train_with(project, start_from=str(STARTED))
    config = STARTED / "base_model.json"
    write_json(config, read_json(config))  # the same content: the same run
    assert started.keys() == train_with(project, start_from=str(STARTED)).keys()
    shutil.rmtree(STARTED)
    train_with(project, start_from=NEW_ADAPTER, seed=5)
    shutil.copytree("models/adapter/final", STARTED)
    after = train_with(project, start_from=str(STARTED))
    assert any((after[name] - weight).abs().max() > 1e-3 for name, weight in before.items())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"lora": {"alpha": 16}}, r"lora\.alpha is 16.*, but the adapter in models/adapter-mine, .* has 8"),
        ({"lora": {"r": 8}}, r"lora\.r is 8, but .* has 4; set it so, or train\.start_from to models/new"),
        ({"lora": {"train_projection": True}}, r"lora\.train_projection is True, but .* has False"),
        ({"lora": {"targets": ["attention"]}}, r"lora\.targets are not those of the adapter"),
        ({"start_from": "models/nothing"}, "models/nothing holds no adapter"),
        ({"start_from": "models/adapter/best"}, "which DVC empties before this stage runs; copy it first"),
    ],
    ids=str,
)
def test_what_cannot_be_gone_on_from_is_said(
    project: Project, started: dict[str, torch.Tensor], changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        train_with(project, **({"start_from": str(STARTED)} | changes))


def test_an_adapter_of_another_model_is_refused(project: Project, started: dict[str, torch.Tensor]) -> None:
    made_for = STARTED / "base_model.json"
    write_json(made_for, read_json(made_for) | {"fingerprint": "0" * 64})
    with pytest.raises(InputError, match="adapts other weights of"):
        train_with(project, start_from=str(STARTED))


def test_the_file_for_a_new_adapter_is_there() -> None:
    assert (ROOT / NEW_ADAPTER).is_file()
