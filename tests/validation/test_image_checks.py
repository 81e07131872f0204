"""What is remembered of images, and what is found wrong with them before anything is paid."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import generate
from gemini_server import GeminiServer
from vqa.catalogue.abo import image_path
from vqa.catalogue.images import DECODER, inspect
from vqa.validation.image_checks import check_images

Project = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, catalogue: Path) -> Path:
    return Path(shutil.copytree(catalogue, tmp_path / "catalogue"))


def names_in(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "images/small").glob("*/*"))


def test_an_image_is_remembered_by_its_bytes_whatever_it_is_called(root: Path, tmp_path: Path) -> None:
    names, memory = names_in(root), tmp_path / "images.jsonl"
    found = check_images(root, names, memory)
    assert found == {name: inspect(image_path(root, name)) for name in names}
    assert len(memory.read_text().splitlines()) == len({image.sha256 for image in found.values()})


@pytest.mark.parametrize(
    "damage",
    [
        {"decoder": DECODER - 1},  # other rules held when this was written
        {"decoder": None},
        {"perceptual_hash": ""},  # near duplicates would pass unseen, and every later image with them
        {"unknown": 1},
    ],
)
def test_what_is_not_a_whole_memory_of_this_decoder_is_found_anew(
    root: Path, tmp_path: Path, damage: dict[str, object]
) -> None:
    names, memory = names_in(root), tmp_path / "images.jsonl"
    expected = check_images(root, names, memory)
    whole = memory.read_text()
    lines = [json.loads(line) | {"width": 1} | damage for line in whole.splitlines()]
    memory.write_text("".join(json.dumps(line) + "\n" for line in lines) + "\0\0\n[1]\n{}\nnull\n")
    assert check_images(root, names, memory) == expected
    assert memory.read_text() == whole


def test_nothing_is_paid_for_an_image_that_would_be_rejected(
    project: Project, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn, text, huge, *good = names_in(root)
    image_path(root, torn).write_bytes(image_path(root, torn).read_bytes()[:-100])
    image_path(root, text).write_text("not an image")
    Image.new("1", (8000, 8000)).save(image_path(root, huge), "PNG")
    monkeypatch.setenv("GOOGLE_API_KEY", "key")
    with GeminiServer() as server:
        gemini = {"annotator": "gemini", "api_endpoint": server.url, "requests_per_minute": 1e9}
        project(data={"root": str(root)}, generate={**gemini, "tokens_per_minute": 1e9})
        generate.run()
        assert len(server.received) == len(good)
    outcomes = json.loads(generate.METRICS.read_text())["outcomes"]
    refused = {"image_truncated": 1, "image_unreadable": 1, "image_too_large": 1}
    assert outcomes == {"answered": len(good), **refused}
