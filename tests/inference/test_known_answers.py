"""Published weights that answer otherwise under other libraries are told on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from vqa.core.files import read_json, write_json
from vqa.core.state_dir import state_folder
from vqa.inference.known_answers import QUESTIONS, check_known_answers
from vqa.vlm.loading import Pretrained

CPU = torch.device("cpu")
PROMPT = "Question: {question} Answer in one word:"
PUBLISHED = "somebody/blip2-toy"


@pytest.fixture
def published(
    project: Callable[..., Path], toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pretrained]:
    """The toy in the hub's own cache, as a download leaves it."""
    project()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub/models--somebody--blip2-toy"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text("a" * 40)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / ("a" * 40)).symlink_to(toy_folder)
    yield Pretrained(PUBLISHED)


def check(pretrained: Pretrained) -> Path:
    """Check, and return the file that holds the answers."""
    check_known_answers(pretrained, PROMPT, CPU, "qformer", 5)
    (path,) = state_folder("known_answers").glob("*.json")
    return path


def test_the_first_run_writes_the_answers_down_and_the_second_loads_nothing(
    published: Pretrained, capsys: pytest.CaptureFixture[str]
) -> None:
    path = check(published)
    first = read_json(path)
    assert first["answers"].keys() == QUESTIONS.keys()
    written = path.stat().st_mtime_ns
    assert check(published).stat().st_mtime_ns == written
    assert capsys.readouterr().err.count("now answers") == 0


def test_another_answer_under_other_libraries_is_said_with_both_versions(
    published: Pretrained, capsys: pytest.CaptureFixture[str]
) -> None:
    path = check(published)
    kept = read_json(path)
    older = {"versions": kept["versions"] | {"transformers": "5.0.0"}}
    write_json(path, kept | older | {"answers": kept["answers"] | {"lamp.png": "teapot"}})
    check(published)
    said = capsys.readouterr().err
    assert said.count("now answers") == 1
    assert "about lamp.png, and before 'teapot'; since then: transformers 5.0.0 → " in said
    assert read_json(path)["answers"] == kept["answers"]


def test_equal_answers_under_other_libraries_are_no_news(
    published: Pretrained, capsys: pytest.CaptureFixture[str]
) -> None:
    path = check(published)
    kept = read_json(path)
    write_json(path, kept | {"versions": kept["versions"] | {"torch": "2.0.0"}})
    check(published)
    assert "now answers" not in capsys.readouterr().err
    assert read_json(path) == kept


def test_a_model_in_a_folder_is_not_asked(
    toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_known_answers(Pretrained(str(toy_folder)), PROMPT, CPU, "qformer", 5)
    assert not state_folder("known_answers").exists()
