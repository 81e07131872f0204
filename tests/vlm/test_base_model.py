"""Weights, tokenizers and adapters that do not fit are refused before anything is computed."""

import json
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Blip2ForConditionalGeneration

import answer_adapted
import answer_base
import cache_features
import generate
import validate
from failing import fails
from stages import TO_TRAINED
from vqa.core.errors import InputError
from vqa.core.files import read_json, write_json
from vqa.vlm.loading import Pretrained

Project = Callable[..., Path]
CPU = torch.device("cpu")
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3745200000\n"


@pytest.fixture
def folder(toy_folder: Path, tmp_path: Path) -> Path:
    """A copy of the toy, to be damaged."""
    shutil.copytree(toy_folder, tmp_path / "model")
    return tmp_path / "model"


def change(file: Path, changed: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    save_file(changed(load_file(file)), file, {"format": "pt"})


def prefixed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.{name}": tensor for name, tensor in weights.items()}


def without_the_language_model(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As a model for image-text matching has it."""
    return {name: tensor for name, tensor in weights.items() if not name.startswith("language_")}


def with_another_width(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return weights | {"language_projection.bias": torch.zeros(7)}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (prefixed, r"\d+ missing \(.*\); \d+ not in this model \(module\."),
        (without_the_language_model, r"\d+ missing \(language_model"),
        (with_another_width, r"1 of another shape \(language_projection\.bias \[7\] for \[32\]\)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_weights_that_do_not_fit_are_refused_by_every_loader(
    folder: Path, changed: Callable[[dict[str, Tensor]], dict[str, Tensor]], said: str
) -> None:
    change(folder / "model.safetensors", changed)
    pretrained = Pretrained(str(folder))
    for refuses in (pretrained.check, lambda: pretrained.load(CPU)):
        with pytest.raises(InputError, match=rf"weights that do not fit its config\.json: {said}"):
            refuses()


def test_a_part_that_fits_is_loaded_equal_to_the_whole_without_the_other(toy_folder: Path) -> None:
    pretrained = Pretrained(str(toy_folder))
    whole = pretrained.load(CPU)
    answers = pretrained.load_answer_model("{question}", CPU, "qformer")
    encoder = pretrained.load_encoder(CPU, "qformer")
    held = dict(answers.state_dict())
    assert not any("vision_model" in name or "qformer" in name for name in held)
    for name, tensor in whole.language_model.state_dict().items():
        assert torch.equal(held[f"language_model.{name}"], tensor)
    pixels = torch.rand(2, 3, 32, 32)
    seen = whole.get_image_features(pixel_values=pixels).qformer_outputs.last_hidden_state
    assert torch.equal(encoder.features(pixels), seen)


def test_old_pickled_weights_load_as_safetensors_do(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    pretrained = Pretrained(str(folder))
    pretrained.check()
    loaded = pretrained.load(CPU).state_dict()
    assert all(torch.equal(loaded[name], weights[name].float()) for name in weights)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer.json", b'{"version"'),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", LFS_POINTER),
        ("tokenizer_config.json", b"{"),
        ("processor_config.json", b'{"image_processor": 3}'),
        ("config.json", b"{"),
        ("model.safetensors", LFS_POINTER),
        ("model.safetensors", b""),
        ("generation_config.json", LFS_POINTER),
        ("generation_config.json", b"{"),
        ("pytorch_model.bin", LFS_POINTER),
        ("pytorch_model.bin", b"PK\3\4 torn"),
        ("pytorch_model.bin", pickle.dumps({"a": 1})[:-1]),
    ],
)
def test_whatever_is_damaged_ends_the_first_stage_that_uses_the_model_in_one_sentence(
    project_after: Project,
    project: Project,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: bytes,
) -> None:
    project_after((generate, validate))
    project(model={"name": str(folder)})
    if file == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    (folder / file).write_bytes(content)
    sentence = fails(cache_features.run, capsys)
    assert str(folder) in sentence
    assert "restore the folder" in sentence or "no model can be read there" in sentence
    assert not Path("data/features").exists()


def test_a_tokenizer_or_pixels_of_another_model_are_refused_in_the_first_stage(folder: Path) -> None:
    processor = read_json(folder / "processor_config.json")
    larger = {**processor["image_processor"], "size": {"height": 48, "width": 48}}
    write_json(folder / "processor_config.json", {**processor, "image_processor": larger})
    with pytest.raises(InputError, match=r"makes images of .*48.*, but its config\.json wants 32"):
        Pretrained(str(folder)).check()
    write_json(folder / "processor_config.json", processor)
    tokenizer = Pretrained(str(folder)).load_processor().tokenizer
    tokenizer.add_tokens([f"beyond{i}" for i in range(3)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(InputError, match=r"with 3 tokens \('beyond\d'\) that its \d+ embeddings have no"):
        Pretrained(str(folder)).check()


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("CUDA error: no kernel")]
)
def test_what_the_machine_lacks_is_not_called_a_damaged_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Blip2ForConditionalGeneration, "_load_pretrained_model", fail)
    with pytest.raises(type(error), match=r"No space left|no kernel"):
        Pretrained(str(folder)).load(CPU)


@pytest.mark.parametrize("content", ["[]", "{}"])
def test_an_adapter_s_record_of_its_base_that_says_nothing_is_refused_by_name(
    adapted: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (adapted / "base_model.json").write_text(content)
    assert re.search("base_model.json is no JSON object|adapts None, but", fails(answer_adapted.run, capsys))


@pytest.fixture
def adapted(project_after: Project) -> Path:
    """A project with an adapter of rank 4; its folder."""
    project_after(TO_TRAINED, lora={"r": 4}, train={"images": 4})
    return Path("models/adapter/best")


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace("q_proj", "wq"): tensor for name, tensor in weights.items()}


def of_rank_2(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: (t[:2] if "lora_A" in n else t[:, :2]).contiguous() for n, t in weights.items()}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (renamed, r"\d+ tensors missing \(.*q_proj.*; \d+ tensors of no layer of this model \(.*wq"),
        (of_rank_2, r"\d+ tensors of another shape"),
        (lambda weights: dict(list(weights.items())[1:]), "1 tensors missing"),
    ],
)
def test_an_adapter_whose_names_or_rank_do_not_fit_is_refused(
    adapted: Path,
    capsys: pytest.CaptureFixture[str],
    changed: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    said: str,
) -> None:
    change(adapted / "adapter_model.safetensors", changed)
    sentence = fails(answer_adapted.run, capsys)
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(sentence)
    assert "run dvc repro --force --single-item train" in sentence


def test_an_adapter_whose_config_names_other_layers_is_refused(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = read_json(adapted / "adapter_config.json")
    write_json(adapted / "adapter_config.json", config | {"target_modules": ["gate_proj"]})
    assert "adapter_config.json does not fit the model" in fails(answer_adapted.run, capsys)


def test_an_adapter_of_other_weights_under_the_same_name_is_refused(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = read_json(adapted / "base_model.json")
    write_json(adapted / "base_model.json", base | {"fingerprint": "0" * 64})
    sentence = fails(answer_adapted.run, capsys)
    assert "adapts other weights of" in sentence
    assert "pin it by model.revision" in sentence


def test_an_adapter_from_elsewhere_that_says_nothing_of_its_base_s_weights_is_known_by_name(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (adapted / "base_model.json").unlink()
    answer_base.run()
    answer_adapted.run()
    config = json.loads((adapted / "adapter_config.json").read_text())
    write_json(
        adapted / "adapter_config.json", config | {"base_model_name_or_path": "Salesforce/blip2-opt-2.7b"}
    )
    assert "adapts Salesforce/blip2-opt-2.7b, but" in fails(answer_adapted.run, capsys)
