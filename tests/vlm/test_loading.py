import shutil
from pathlib import Path

import pytest
import torch

from vqa.core.errors import InputError
from vqa.core.files import write_json
from vqa.vlm.loading import Pretrained
from vqa.vlm.tokens import load_prompt_tokens

CPU = torch.device("cpu")


def test_a_missing_model_and_a_model_that_has_no_two_halves_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.name is '.*nowhere'.*no model can be read there"):
        Pretrained(str(tmp_path / "nowhere")).load(CPU)
    for kind, reason in {
        "bert": "it answers no questions about images",
        "instructblip": "its Q-Former reads the question too",
        "git": "transformers cannot take its images' features apart",
        "qwen3_vl": "no test here holds its answers from cached features",
    }.items():
        write_json(tmp_path / "config.json", {"model_type": kind})
        with pytest.raises(InputError, match=f"a {kind} model, and {reason}.*of the kinds blip-2, llava"):
            Pretrained(str(tmp_path)).load(CPU)


def test_damaged_weights_are_named(toy_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(toy_folder, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"model, params.yaml's model.name, is missing or damaged"):
        Pretrained(str(folder)).load(CPU)
    weights.unlink()
    with pytest.raises(InputError, match=r"model, params.yaml's model.name, is missing or damaged"):
        Pretrained(str(folder)).load(CPU)


def test_the_fingerprint_changes_with_the_weights(toy_folder: Path, tmp_path: Path) -> None:
    first = Pretrained(str(toy_folder)).identity(CPU)
    for path in toy_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert Pretrained(str(tmp_path)).identity(CPU)["fingerprint"] == first["fingerprint"]
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert Pretrained(str(tmp_path)).identity(CPU)["fingerprint"] != first["fingerprint"]


def test_the_processor_is_part_of_the_identity(toy_folder: Path, tmp_path: Path) -> None:
    first = Pretrained(str(toy_folder)).identity(CPU)
    for path in toy_folder.iterdir():
        text = path.read_bytes().replace(b"0.48145466", b"0.5")
        (tmp_path / path.name).write_bytes(text)
    assert Pretrained(str(tmp_path)).identity(CPU)["processor"] != first["processor"]


def test_quantisation_without_a_gpu_is_refused_by_name(toy_folder: Path) -> None:
    with pytest.raises(InputError, match=r"model\.quantization is '4bit', which needs a CUDA GPU"):
        Pretrained(str(toy_folder), quantization="4bit").load(CPU)


@pytest.mark.parametrize("gone", [["tokenizer.json", "tokenizer_config.json"], ["tokenizer_config.json"]])
def test_a_tokenizer_without_its_files_is_refused_wherever_one_is_read(
    gone: list[str], toy_folder: Path, tmp_path: Path
) -> None:
    """Transformers makes one without words, and says nothing."""
    shutil.copytree(toy_folder, tmp_path, dirs_exist_ok=True)
    for name in gone:
        (tmp_path / name).unlink()
    model = Pretrained(str(tmp_path))
    for read in (
        model.check,
        lambda: model.load_answer_model("{question}", CPU, "qformer"),
        lambda: model.load_encoder(CPU, "qformer"),
        lambda: load_prompt_tokens(str(tmp_path), None, "{question}"),
    ):
        with pytest.raises(InputError, match=r"has a tokenizer (without words|with 1 tokens)"):
            read()


def test_what_a_folder_s_readme_says_is_pointed_to(toy_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(toy_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"; restore the folder, or give another$"):
        Pretrained(str(tmp_path)).check()
    (tmp_path / "README.md").write_text("make it by …")
    with pytest.raises(InputError, match=rf"; restore the folder as {tmp_path}/README\.md says, or give"):
        Pretrained(str(tmp_path)).check()
