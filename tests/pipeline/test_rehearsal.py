"""benchmarks/rehearsal.py and what it stands on: copies of the published models, and the watch on a stage."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import random_image_text_model
import torch
from PIL import Image
from random_blip2 import write_to_hub_cache
from rehearsal import STAGES, Rehearsal, Took
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoTokenizer, Blip2Config, Blip2ForConditionalGeneration

from narrow import narrow_image_text_model, narrowed
from paths import ROOT
from vqa.core.errors import InputError
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")
OPT, T5 = "blip2-opt-2.7b", "blip2-flan-t5-xl"
# Tokens of published models with the seam: of an image, the last of an answer, what fills batches up.
TOKENS = {
    "llava-1.5-7b": ({"<image>": 32000}, {"</s>": 2}, {"<pad>": 32001}),
    "paligemma2-3b": ({"<image>": 257152}, {"<eos>": 1}, {"<pad>": 0}),
    "smolvlm-256m": ({"<image>": 49190}, {"<end_of_utterance>": 49279}, {"<|im_end|>": 2}),
    "qwen2.5-vl-3b": ({"<|image_pad|>": 151655}, {"<|im_end|>": 151645}, {"<|endoftext|>": 151643}),
}


@pytest.fixture(scope="module", params=[OPT, T5])
def copy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cache of the hub that holds a narrow copy of a published model in several shards, and its name."""
    hub = tmp_path_factory.mktemp("hub")
    write_to_hub_cache(hub, request.param, narrowed(request.param), shard_bytes=4_000_000)
    return hub, request.param


def test_a_copy_is_found_by_its_hub_id_and_every_tensor_fits(copy: tuple[Path, str]) -> None:
    hub, name = copy
    model, found = Blip2ForConditionalGeneration.from_pretrained(
        f"Salesforce/{name}", cache_dir=hub, local_files_only=True, output_loading_info=True
    )
    assert not any(found[kind] for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"))
    text = model.config.text_config
    assert text.vocab_size == (50304 if name == OPT else 32128)
    assert model.generation_config.eos_token_id == (50118 if name == OPT else 1)
    assert model.config.image_token_id == (50265 if name == OPT else 32100)


def test_weights_lie_in_shards_of_half_precision_named_by_their_hash(copy: tuple[Path, str]) -> None:
    hub, name = copy
    (snapshot,) = hub.glob(f"models--Salesforce--{name}/snapshots/*")
    index = json.loads((snapshot / "model.safetensors.index.json").read_text())["weight_map"]
    shards = set(index.values())
    assert len(shards) > 1
    for shard in shards:
        assert len((snapshot / shard).resolve().name) == 64
        with safe_open(snapshot / shard, framework="pt") as file:
            names = list(file.keys())
            assert all(index[tensor] == shard for tensor in names)
            assert {file.get_slice(tensor).get_dtype() for tensor in names} == {"F16"}


def test_t5_has_a_head_of_its_own_and_opt_has_none(copy: tuple[Path, str]) -> None:
    hub, name = copy
    (snapshot,) = hub.glob(f"models--Salesforce--{name}/snapshots/*")
    pretrained = Pretrained(str(snapshot))
    pretrained.check()
    model = pretrained.load_answer_model("{question}", CPU, "qformer").language_model
    head, embeddings = model.lm_head.weight, model.get_input_embeddings().weight
    if name == OPT:
        assert head is embeddings
    else:
        index = json.loads((snapshot / "model.safetensors.index.json").read_text())["weight_map"]
        with safe_open(snapshot / index["language_model.lm_head.weight"], framework="pt") as file:
            assert torch.equal(head, file.get_tensor("language_model.lm_head.weight").float())
        assert not torch.equal(head, embeddings)
        assert not model.config.scale_decoder_outputs


def test_tokens_have_the_published_ids(copy: tuple[Path, str]) -> None:
    hub, name = copy
    tokenizer = AutoTokenizer.from_pretrained(f"Salesforce/{name}", cache_dir=hub, local_files_only=True)
    ids = tokenizer("What color is the lamp?")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "What color is the lamp?"
    known = {token: tokenizer.convert_tokens_to_ids(token) for token in ("<pad>", "</s>", "<image>")}
    if name == OPT:
        assert known == {"<pad>": 1, "</s>": 2, "<image>": 50265}
        assert ids[0] == 2
        assert tokenizer("\n", add_special_tokens=False)["input_ids"] == [50118]
    else:
        assert known == {"<pad>": 0, "</s>": 1, "<image>": 32100}
        assert ids[-1] == 1
        assert tokenizer.convert_tokens_to_ids("<extra_id_0>") == 32099
    assert 7 <= len(ids) <= 10  # words, not letters


@pytest.mark.parametrize("name", TOKENS)
def test_a_copy_of_an_image_text_model_answers_with_the_published_ids(
    name: str, tmp_path: Path, drawings: list[Image.Image]
) -> None:
    snapshot = random_image_text_model.write_to_hub_cache(
        tmp_path, "some/one", narrow_image_text_model(name), 4_000_000
    )
    assert len(list(snapshot.glob("*.safetensors"))) > 1
    pretrained = Pretrained(str(snapshot))
    pretrained.check()
    encoder, answers = pretrained.load_model_parts("{question} Answer in one word.", CPU, "qformer")
    (look,) = encoder.features(encoder.pixels(drawings[:1]))
    tokens: Any = answers.tokens
    ids = tokens.prompt_ids("What color is the lamp?", look)
    image, end, pad = TOKENS[name]
    for token, number in (image | end | pad).items():
        assert tokens.tokenizer.convert_tokens_to_ids(token) == number
    assert ids.count(tokens.image_token_id) == len(look.rows)
    assert [tokens.image_token_id] == list(image.values())
    assert [answers._end_token_id] == list(end.values())
    assert [answers._pad_token_id] == list(pad.values())
    assert "What color is the lamp? Answer in one word." in tokens.tokenizer.decode(ids)
    assert answers.texts(["What color is the lamp?"], [look], 3)


def test_an_image_text_model_goes_through_all_stages(tmp_path: Path) -> None:
    name = "qwen2.5-vl-3b"
    rehearsal = Rehearsal(tmp_path, name, narrow_image_text_model(name), "cpu", images=8, questions=2)
    lines = list(rehearsal.lines(rehearsal.run()))
    assert [line.split(" | ")[1] for line in lines] == list(STAGES)
    seen, learnt, *_ = (line.split(" | ")[-2] for line in lines)
    shares = [int(share.removeprefix("1 × ").removesuffix("%")) for share in (seen, learnt)]
    assert sum(shares) == pytest.approx(100, abs=1)  # each half, once, without the other
    assert not (tmp_path / "hub").exists()


def test_a_copy_that_was_cut_short_is_written_again_and_a_whole_one_is_kept(tmp_path: Path) -> None:
    config = narrowed(OPT)
    snapshot = write_to_hub_cache(tmp_path, OPT, config)
    weights = (snapshot / "model.safetensors").resolve()
    whole, written = weights.read_bytes(), weights.stat().st_mtime_ns
    assert write_to_hub_cache(tmp_path, OPT, config) == snapshot
    assert weights.stat().st_mtime_ns == written
    (tmp_path / f"models--Salesforce--{OPT}/refs/main").unlink()
    weights.write_bytes(b"half")
    assert write_to_hub_cache(tmp_path, OPT, config) == snapshot
    assert weights.read_bytes() == whole


def test_no_room_for_the_weights_is_said_before_any_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000_000}))
    with pytest.raises(InputError, match=r"has 0\.0 GB left .* take .* GB; give another --folder"):
        write_to_hub_cache(tmp_path, OPT, narrowed(OPT))
    assert not list(tmp_path.rglob("*.safetensors"))


_STAGE = """
import torch
from safetensors import safe_open
from safetensors.torch import load_file
with safe_open("model/a.safetensors", framework="pt") as file:
    file.get_tensor("x"), file.get_slice("y").get_shape()
    file.get_slice("x")[...]
load_file("other.safetensors")
"""


def test_the_watch_counts_what_is_read_of_the_model_and_how_often(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    save_file({"x": torch.ones(10), "y": torch.ones(5)}, tmp_path / "model/a.safetensors")
    save_file({"z": torch.ones(10)}, tmp_path / "other.safetensors")
    (tmp_path / "stage.py").write_text(_STAGE)
    command = [sys.executable, str(ROOT / "benchmarks/watched_stage.py"), "model", "report.json", "stage.py"]
    subprocess.run(command, cwd=tmp_path, check=True)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["read_bytes"], report["loads"]) == (40, 2)  # x twice; of y only the shape
    assert report["before"] > 100_000_000  # torch


def test_a_rehearsal_goes_on_where_it_was_and_lays_its_memory_beside_the_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rehearsal() -> Rehearsal:
        return Rehearsal(tmp_path, OPT, narrowed(OPT), "cpu", images=8, questions=2)

    first = ("demo", "generate", "validate", "verify")
    assert rehearsal().run(first) == []
    said = capsys.readouterr().err
    took = rehearsal().run((*first, "cache_features"))
    assert [stage in said for stage in first] == [True] * 4
    assert capsys.readouterr().err.count("took") == 1
    (line,) = rehearsal().lines(took)
    assert line.startswith(f"| {OPT} | cache_features | ")
    language = _share(narrowed(OPT), "language_")
    assert f"| 1 × {1 - language:.0%} |" in line  # the ViT and the Q-Former, once


def test_a_line_says_what_was_held_beside_what_is_counted(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, OPT, narrowed(OPT), "cpu", images=8, questions=2)
    rehearsal._write_project()
    for split in ("train", "val", "test"):
        path = tmp_path / f"project/data/vqa/{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("image_name,question,answer\n" + "a.jpg,What?,b\n" * 3)
    counted = rehearsal._predicted()["evaluate"].total
    took = Took("evaluate", 7.4, int(5e8 + counted), int(5e8), None, read_bytes=0, loads=0)
    (line,) = rehearsal.lines([took])
    same = f"{counted / 1e9:.2f} GB"
    peak = f"{took.peak / 1e9:.2f} GB"
    assert line == f"| {OPT} | evaluate | 7 s | 0.50 GB | {same} | {same} | 1.00 | none | {peak} |"


def _share(config: Blip2Config, prefix: str) -> float:
    model: Any = Blip2ForConditionalGeneration(config)
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    return sum(size for name, size in sizes.items() if name.startswith(prefix)) / sum(sizes.values())
