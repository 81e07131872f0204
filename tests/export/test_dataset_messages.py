"""The exported messages: one question a row, as trainers of chat models read it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from paths import ROOT
from toy_image_text import image_text_folder
from vqa.catalogue.abo import image_path
from vqa.core.errors import InputError
from vqa.core.files import read_json
from vqa.export.dataset import REQUEST, Census, write_messages
from vqa.inference import other_models
from vqa.pairs.pair import Pair, write_pairs

PAIRS = [Pair("aa1.jpg", "What color is it?", "navy"), Pair("aa1.jpg", "How many «é»?", "2")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = image_path(tmp_path / "catalogue", "aa1.jpg")
    path.parent.mkdir(parents=True)
    Image.effect_noise((64, 64), 80).save(path)
    write_pairs(tmp_path / "train.csv", PAIRS)
    return tmp_path / "catalogue"


def written(root: Path, with_copies: bool) -> tuple[Path, dict[str, Census]]:
    out, here = root.parent / "out", root.parent
    return out, write_messages(out, {"train": here / "train.csv"}, here / "none.csv", root, with_copies)


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_row_is_the_users_turn_with_the_image_s_tag_and_the_answer(root: Path) -> None:
    out, census = written(root, with_copies=False)
    first, second = lines(out / "train.jsonl")
    assert first == {
        "messages": [
            {"role": "user", "content": "<image>What color is it? Answer in one word."},
            {"role": "assistant", "content": "navy"},
        ],
        "images": [str(image_path(root, "aa1.jpg"))],
    }
    assert second["messages"][0]["content"] == "<image>How many «é»? Answer in one word."
    assert census == {"train": Census(2, 1, 1, {})}


def test_copies_are_named_from_the_folder_so_that_it_can_move(root: Path) -> None:
    out, _ = written(root, with_copies=True)
    assert [row["images"] for row in lines(out / "train.jsonl")] == [["images/aa1.jpg"]] * 2
    assert (out / "images/aa1.jpg").read_bytes() == image_path(root, "aa1.jpg").read_bytes()


def test_llama_factory_is_told_every_column_and_tag(root: Path) -> None:
    """Its data/README.md, "OpenAI Format" with the images column of "Multimodal Image Dataset"."""
    out, _ = written(root, with_copies=False)
    assert read_json(out / "dataset_info.json") == {
        "abo_vqa_train": {
            "file_name": "train.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    }


def test_the_request_is_the_one_that_other_models_are_judged_with() -> None:
    assert REQUEST == other_models._REQUEST


@pytest.mark.parametrize("with_copies", [True, False])
def test_an_image_that_is_gone_is_named(root: Path, with_copies: bool) -> None:
    image_path(root, "aa1.jpg").unlink()
    with pytest.raises(InputError, match=r"aa1\.jpg cannot be read \(No such file or directory\)"):
        written(root, with_copies)


def test_a_question_that_trainers_would_take_for_a_second_image_is_refused(root: Path) -> None:
    write_pairs(root.parent / "train.csv", [Pair("aa1.jpg", "What is <image>?", "tag")])
    with pytest.raises(InputError, match=r"the question 'What is <image>\?' about aa1\.jpg holds"):
        written(root, with_copies=False)


def test_trl_trains_on_the_answers_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [Pair(f"aa{number}.jpg", "What color is it?", "navy") for number in range(4)]
    for pair in pairs:
        path = image_path(tmp_path / "catalogue", pair.image_name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((64, 64), 80).convert("RGB").save(path)
    write_pairs(tmp_path / "train.csv", pairs)
    out = tmp_path / "data/export-messages"
    splits = {"train": tmp_path / "train.csv"}
    write_messages(out, splits, tmp_path / "none.csv", tmp_path / "catalogue", with_copies=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (code,) = re.findall(r"(?s)```python\n(.*?)```", (ROOT / "docs/other_tools.md").read_text())
    code = code.replace('"MODEL"', repr(str(image_text_folder("smolvlm", tmp_path / "toy"))))
    code = code.replace('report_to="none"', 'report_to="none", use_cpu=True, bf16=False')
    names: dict[str, Any] = {}
    exec(code, names)  # the page's own code is what is tried
    trainer = names["trainer"]
    assert trainer.state.global_step > 0
    (batch,) = trainer.get_train_dataloader()
    assert len(batch["pixel_values"]) == len(pairs)
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        summary = trainer.processing_class.tokenizer.decode(ids[labels != -100], skip_special_tokens=True)
        assert summary.strip() == "navy"
