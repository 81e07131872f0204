"""Grids of settings, and a study from its grid to its report."""

import re
from pathlib import Path

import pytest

from paths import ROOT
from studies import GRID, PROMPTS
from vqa.core.errors import InputError
from vqa.overlays import read_yaml
from vqa.studies.grid import Grid, read_grid, select_share

GRIDS = sorted((ROOT / "configs/studies").glob("*.yaml"))
PARAMS = read_yaml((ROOT / "params.yaml").read_text())


@pytest.mark.parametrize("file", GRIDS, ids=lambda file: file.stem)
def test_the_committed_grids_vary_what_there_is(file: Path) -> None:
    grid = read_grid(file, PARAMS)
    names = list(grid.experiments())
    assert len(set(names)) == len(names)
    assert grid.why
    for name in names:
        assert re.fullmatch(r"[\w-]+", name)


def test_a_grid_is_every_combination_with_a_name_that_git_takes() -> None:
    assert list(GRID.experiments()) == [
        "rank-r2-attention",
        "rank-r2-mlp",
        "rank-r8-attention",
        "rank-r8-mlp",
    ]
    assert GRID.experiments()["rank-r8-mlp"] == {"lora.r": 8, "lora.targets": ["mlp"]}
    rates = Grid("rate", "", {"train.learning_rate": [2.5e-4], "train.images": [None]})
    assert list(rates.experiments()) == ["rate-rate0-00025-imagesall"]


def test_hosts_share_out_every_experiment_once() -> None:
    experiments = GRID.experiments()
    assert select_share(experiments, "0/1") == experiments
    shares = [select_share(experiments, f"{host}/3") for host in range(3)]
    assert [list(share) for share in shares] == [
        ["rank-r2-attention", "rank-r8-mlp"],
        ["rank-r2-mlp"],
        ["rank-r8-attention"],
    ]
    assert select_share(experiments, "5/9") == {}


@pytest.mark.parametrize("share", ["4/4", "0/0", "1", "-1/4", "1/4/2", ""])
def test_a_share_that_no_host_has_is_named(share: str) -> None:
    with pytest.raises(InputError, match=rf"--share is '{share}'; give K/N with K from 0 to N - 1"):
        select_share(GRID.experiments(), share)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lora.rank: [2]", r"lora.rank is no key of params.yaml"),
        ("evaluate.num_beams: [2]", r"mine.yaml: evaluate.num_beams is called decoding.num_beams now"),
        ("lora.r: 2", r"lora.r is 2; give a list of values"),
        ("lora.r: [", r"is not YAML"),
        ("model.prompt: [\udcff]", r"is not YAML: 'utf-8' codec can't decode"),
        ("- 2", r"must map settings to lists of values"),
    ],
)
def test_a_wrong_grid_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=sentence):
        read_grid(tmp_path / "mine.yaml", PARAMS)
    with pytest.raises(InputError, match=r"other.yaml is missing; there are .*mine.yaml"):
        read_grid(tmp_path / "other.yaml", PARAMS)


def test_exponents_are_numbers_and_no_is_a_word(tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text("train.learning_rate: [1e-3, 0.5]\ngenerate.languages: [[no, en]]")
    found = read_grid(tmp_path / "rates.yaml", PARAMS).values
    assert found == {"train.learning_rate": [1e-3, 0.5], "generate.languages": [["no", "en"]]}


def test_texts_that_differ_have_names_that_differ() -> None:
    names = list(Grid("prompt", "", {"model.prompt": PROMPTS}).experiments())
    assert names[0].startswith("prompt-promptQuestion-question-")
    assert len(set(names)) == len(PROMPTS)
    for name in names:
        assert re.fullmatch(r"[\w-]{1,60}", name, re.ASCII)
    hub = Grid("base", "", {"model.name": ["Salesforce/blip2-opt-2.7b"]})
    assert list(hub.experiments()) == ["base-nameSalesforce-blip2-opt-2-7b"]


def test_a_list_of_anything_has_a_name() -> None:
    assert list(Grid("wrong", "", {"lora.r": [[2, 4]]}).experiments()) == ["wrong-2-4"]  # type: ignore[list-item]


def test_two_experiments_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match=r"two experiments called base-namea-b: .*'a/b'.* and .*'a\.b'"):
        Grid("base", "", {"model.name": ["a/b", "a.b"]}).experiments()
