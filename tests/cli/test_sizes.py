"""The table of what the published models need: what the pages and the presets say of them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from paths import ROOT
from vqa.cli import sizes
from vqa.core.errors import InputError
from vqa.core.files import read_json
from vqa.memory_estimate.meta_device import BLIP2, IMAGE_TEXT
from vqa.settings import load_settings

ABO = ROOT / "configs/presets/abo.yaml"


@pytest.mark.parametrize("name", BLIP2)
def test_params_files_say_what_is_counted(name: str) -> None:
    path = ROOT / f"configs/presets/{name}.yaml"
    settings = load_settings(ROOT / "params.yaml", ABO, path)
    assert settings.model.name == f"Salesforce/{name}"
    found = sizes.estimate_memory(name, settings)
    said = path.read_text().split("\nmodel:")[0]
    numbers = re.findall(r"(\d+\.\d) (?:GB|M)", said)
    assert numbers == [
        f"{number:.1f}" for number in (*sizes.gigabytes(found).values(), found.trainable / 1e6)
    ]


@pytest.mark.parametrize("name", IMAGE_TEXT)
def test_params_files_of_the_others_say_what_is_counted(name: str) -> None:
    path = ROOT / f"configs/presets/{name}.yaml"
    found = sizes.estimate_memory(name, load_settings(ROOT / "params.yaml", ABO, path))
    said = path.read_text().split("\nmodel:")[0]
    numbers = re.findall(r"(\d+\.\d) (?:GB|M)", said)
    *stages, _ = sizes.gigabytes(found).values()  # measure_speed is in no table of theirs
    assert numbers == [f"{number:.1f}" for number in (*stages, found.trainable / 1e6)]


def test_the_pages_tables_are_the_command_s() -> None:
    settings = load_settings(ROOT / "params.yaml")
    page = (ROOT / "docs/results/memory.md").read_text()
    assert "\n".join(sizes.table(settings)) in page
    assert "\n".join(sizes.image_text_table(settings)) in page


def test_the_model_that_params_yaml_names_is_counted_under_its_settings() -> None:
    settings = load_settings(ROOT / "params.yaml", ABO, ROOT / "configs/presets/blip2-opt-2.7b.yaml")
    fewer = replace(settings, decoding=replace(settings.decoding, batch_size=1))
    assert sizes.settings_of("blip2-opt-2.7b", fewer) == fewer
    assert sizes.settings_of("blip2-flan-t5-xl", fewer).model.name == "Salesforce/blip2-flan-t5-xl"


def test_a_model_in_a_folder_is_counted_as_it_runs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    settings, cpu = load_settings(), torch.device("cpu")
    rows = [[cell.strip() for cell in line.split("|")] for line in sizes.own_table(settings, cpu)[1:]]
    cells = dict(zip(rows[0], rows[2], strict=True))
    trained = read_json(ROOT / "metrics/train.json")
    assert cells["model"] == "blip2-tiny"
    assert cells["LoRA trains"].startswith(f"{trained['trainable_parameters'] / 1e6:.1f} M")
    assert float(cells["train"].removesuffix(" GB")) > float(cells["answer_base"].removesuffix(" GB"))
    assert cells["device"] == "cpu"
    (tmp_path / "config.json").write_text("{}")
    broken = replace(settings, model=replace(settings.model, name=str(tmp_path)))
    with pytest.raises(InputError, match="no model can be read there"):
        sizes.own_table(broken, cpu)
    of_hub = replace(settings, model=replace(settings.model, name="Salesforce/blip2-opt-2.7b"))
    assert sizes.own_table(of_hub, cpu) == []
