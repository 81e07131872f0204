"""The Q-Former's recipe: its two stages, what a kill costs, and the folder that comes of it, at toy size."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs pip install --group photos-model")
pytest.importorskip("gguf", reason="needs pip install --group photos-model")

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from blip2_smollm2 import folder, loop, texts, train
from blip2_smollm2.parts import qformer_config, write_parts
from blip2_smollm2.stage_one import StageOne, Texts, minilm_folder, redundancy
from products import LAMP
from toy_blip2 import checkpoint_of, toy_dinov2, toy_llama, write_gguf, write_onnx
from vqa.catalogue.abo import image_path, read_catalogue
from vqa.core.errors import InputError
from vqa.core.files import content_hash
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")
SAID = ["a red lamp of metal", "a blue rug"]


@pytest.fixture(scope="module")
def stage_one() -> StageOne:
    torch.manual_seed(0)
    return StageOne(qformer_config(64), 8, minilm_folder()).eval()


@pytest.fixture(scope="module")
def words() -> Texts:
    return Texts(minilm_folder())


def test_the_text_side_is_minilm(stage_one: StageOne, words: Texts) -> None:
    ids = words.ids(SAID)
    bert = AutoModel.from_pretrained(minilm_folder()).eval()
    told = AutoTokenizer.from_pretrained(minilm_folder())(SAID, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = stage_one._states(torch.randn(2, 5, 64), ids, words.caption_ids(SAID))
        wanted = bert(**told).last_hidden_state
    is_word = ids != 0
    torch.testing.assert_close(states[:, 8 : 8 + ids.shape[1]][is_word], wanted[is_word], atol=1e-5, rtol=0)


@torch.no_grad()
def test_queries_see_no_text_and_a_caption_no_later_word(stage_one: StageOne, words: Texts) -> None:
    images = torch.randn(1, 5, 64)
    text, red, blue = words.ids(["lamp"]), words.caption_ids(["a red lamp"]), words.caption_ids(["a red rug"])
    one, two = stage_one._states(images, text, red), stage_one._states(images, text, blue)
    differs = (one != two).any(dim=2)[0].tolist()
    before = 8 + text.shape[1] + 3  # queries, text, and of the caption its begin, "a" and "red"
    assert not any(differs[:before])
    assert differs[before]
    elsewhere = stage_one._states(torch.randn(1, 5, 64), text, red)
    sees_image = (one != elsewhere).any(dim=2)[0]
    assert sees_image[:8].all()
    assert not sees_image[8 : 8 + text.shape[1]].any()  # the text that is compared
    assert sees_image[8 + text.shape[1] :].all()  # the caption
    matched = stage_one._states(images, text, None)
    assert (matched[:, :8] != one[:, :8]).any()  # matching lets queries see the text


@torch.no_grad()
def test_queries_start_apart_and_equal_ones_cost_most(stage_one: StageOne) -> None:
    states = stage_one._states(torch.randn(2, 5, 64), torch.ones(2, 1, dtype=torch.long), None)[:, :8]
    assert redundancy(states) < 0.5
    assert redundancy(torch.eye(8)[None]) == 0.0
    torch.testing.assert_close(redundancy(torch.ones(2, 8, 64)), torch.tensor(1.0))


def test_equal_texts_are_no_contrast(stage_one: StageOne, words: Texts) -> None:
    images = torch.randn(2, 5, 64)
    same = words.ids(["a lamp", "a lamp"])
    losses, likeness = stage_one.losses(images, same, words.caption_ids(["a lamp"] * 2))
    columns = torch.nn.functional.cross_entropy(likeness, torch.full((2, 2), 0.5))
    rows = torch.nn.functional.cross_entropy(likeness.T, torch.full((2, 2), 0.5))
    torch.testing.assert_close(losses["contrast"], (columns + rows) / 2)


def test_questions_are_made_of_the_listing_alone() -> None:
    rng = random.Random(0)
    known = texts.attributes(LAMP)
    assert known == {"kind": "lamp", "color": "pink", "count": "3"}
    said = [pair for _ in range(50) for pair in texts.texts_of(LAMP, [LAMP] * 5, rng)]
    assert len(said) == 50 * (texts.CAPTIONS + texts.QUESTIONS)
    assert all(prompt and answer for prompt, answer in said)  # no continuation without something before it
    assert {answer for prompt, answer in said if "?" in prompt} <= {"lamp", "pink", "3", "yes"}


def test_each_photograph_comes_once_an_epoch() -> None:
    seen = torch.cat([loop.batch_numbers(10, 3, step, seed=1) for step in range(3)]).tolist()
    assert len(set(seen)) == 9
    assert seen != torch.cat([loop.batch_numbers(10, 3, step, seed=1) for step in range(3, 6)]).tolist()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("parts")
    write_onnx(place / "toy.onnx", checkpoint_of(toy_dinov2()))
    write_gguf(place / "toy.gguf", toy_llama())
    write_parts(place / "toy.onnx", place / "toy.gguf", place / "model")
    return place / "model"


@pytest.fixture
def trained(
    catalogue: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, torch.Tensor]]:
    """Train on drawn products, a few steps, into a folder by that name."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    small = {"HELD_OUT": 4, "ONE_STEPS": 3, "ONE_BATCH": 4, "TWO_STEPS": 2, "TWO_BATCH": 2}
    for name, value in small.items():
        monkeypatch.setattr(train, name, value)
    products = read_catalogue(catalogue, ["en_US"], max_listings_per_image=20).products[:12]
    seen = tmp_path / "photographs.txt"
    seen.write_text("\n".join(content_hash(image_path(catalogue, p.image_name)) for p in products))

    def make(name: str) -> dict[str, torch.Tensor]:
        train.train(catalogue, seen, parts, tmp_path / f"{name}.work", tmp_path / name, seed=0)
        return load_file(tmp_path / name / "qformer.safetensors")

    return make


def test_a_killed_run_ends_as_one_that_was_not(
    trained: Callable[[str], dict[str, torch.Tensor]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    once = trained("once")
    learning_rate, calls = loop.learning_rate, []

    def cut(step: int, steps: int, peak: float) -> float:
        calls.append(step)
        if len(calls) in {4, 9}:  # in the midst of stage one, and of stage two
            raise KeyboardInterrupt
        return learning_rate(step, steps, peak)

    monkeypatch.setattr(loop, "learning_rate", cut)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            trained("twice")
    monkeypatch.setattr(loop, "learning_rate", learning_rate)
    twice = trained("twice")
    assert once.keys() == twice.keys()
    assert all(torch.equal(once[name], tensor) for name, tensor in twice.items())
    assert (tmp_path / "once/loss.csv").read_text() == (tmp_path / "twice/loss.csv").read_text()
    assert len((tmp_path / "once/photographs.txt").read_text().split()) == 12


def test_what_is_made_completes_the_folder(
    trained: Callable[[str], dict[str, torch.Tensor]], parts: Path, tmp_path: Path
) -> None:
    made = trained("made")
    assert all(tensor.dtype == torch.bfloat16 for tensor in made.values())
    assert not any("text" in name or "intermediate.dense" in name for name in made)  # no text side
    assert sum(tensor.numel() for tensor in made.values()) < 15_000_000
    whole = tmp_path / "whole"
    for source in (parts, tmp_path / "made"):
        for file in source.iterdir():
            whole.mkdir(exist_ok=True)
            (whole / file.name).write_bytes(file.read_bytes())
    folder.write_index(whole)
    model = Pretrained(str(whole)).load(CPU)  # refuses missing and misfitting weights
    state = model.state_dict()
    assert all(torch.equal(state[name], tensor.float()) for name, tensor in made.items())


def test_missing_photographs_and_parts_are_named(catalogue: Path, parts: Path, tmp_path: Path) -> None:
    seen = tmp_path / "photographs.txt"
    seen.write_text("0123456789ab\n")
    with pytest.raises(InputError, match="holds 0 of the 1 photographs"):
        train.train(catalogue, seen, parts, tmp_path / "work", tmp_path / "out", seed=0)
    with pytest.raises(InputError, match="lacks the pretrained parts"):
        train.train(catalogue, seen, tmp_path, tmp_path / "work", tmp_path / "out", seed=0)
