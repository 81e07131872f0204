"""The four published BLIP-2s, built without weights."""

import re

import pytest
import torch
import yaml

import sizes
from conftest import ROOT
from vqa import lora
from vqa.lora_targets import ROLES, module_names
from vqa.settings import load_settings
from vqa.sizing import PUBLISHED, published_config, without_weights

DEFAULT = yaml.safe_load((ROOT / "params.yaml").read_text())
# What a setting for the real model means to change, and nothing else.
MEANT = {
    "data.root",
    "generate.annotator",
    "generate.images",
    "model.name",
    "features.batch_size",
    "features.dtype",
    "features.workers",
    "train.learning_rate",
    "evaluate.max_new_tokens",
    "evaluate.scorer",
}


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("blip2-opt-2.7b", 3.74),
        ("blip2-opt-6.7b", 7.75),
        ("blip2-flan-t5-xl", 3.88),
        ("blip2-flan-t5-xxl", 12.1),
    ],
)
def test_parameters_are_as_many_as_published(name: str, billions: float) -> None:
    model = without_weights(name)
    assert sum(p.numel() for p in model.parameters()) / 1e9 == pytest.approx(billions, abs=0.01)
    assert all(p.is_meta for p in model.parameters())
    assert published_config(name).num_query_tokens == 32


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_role_resolves_inside_the_language_model_alone(name: str) -> None:
    model = without_weights(name)
    family = model.language_model.config.model_type
    roles = [
        role for role, parts in ROLES[family].items() for role in (role, *(f"{role}.{p}" for p in parts))
    ]
    for role in roles:
        assert module_names(model.language_model, [role])
    for role in ("attention", "mlp"):
        assert module_names(model.qformer, [role])
    with torch.device("meta"):
        settings = load_settings(ROOT / "params.yaml").lora
        wrapped = lora.adapted(model.language_model, settings, name)
    trainable, total = lora.trainable_share(wrapped)
    assert 0.004 < trainable / total < 0.02
    layers = 32 if "opt" in name else 24
    rows = {n for n, p in wrapped.named_parameters() if p.requires_grad and ".lora_A." in n}
    each = 6 if "opt" in name else (4 + 3) + (4 + 4 + 3)  # a decoder layer of T5 also attends to the encoder
    assert len(rows) == layers * each


@pytest.mark.parametrize("name", PUBLISHED)
def test_params_files_say_what_is_counted_and_change_what_they_mean_to(name: str) -> None:
    path = ROOT / f"params/{name}.yaml"
    settings = load_settings(path)
    assert settings.model.name == f"Salesforce/{name}"
    found, trainable = sizes.sized(name, settings.lora)
    said = path.read_text().split("\nrun:")[0]
    numbers = re.findall(r"(\d+\.\d) (?:GB|M)", said)
    whole = 2 * (found.vision + found.qformer + found.language) / 1e9
    counted = (found.cache_gb, found.train_gb[1], found.train_gb[4], found.answer_gb, whole, trainable / 1e6)
    assert numbers == [f"{number:.1f}" for number in counted]
    params = yaml.safe_load(path.read_text())
    changed = {f"{b}.{k}" for b, keys in params.items() for k in keys if keys[k] != DEFAULT[b][k]}
    assert changed <= MEANT
    assert {"data.root", "model.name", "evaluate.scorer"} <= changed


def test_the_readme_s_table_is_the_command_s() -> None:
    text = (ROOT / "docs/gpu.md").read_text()
    settings = load_settings(ROOT / "params.yaml").lora
    assert "\n".join(sizes.table(settings)) in text
