"""The README says what the committed metrics say, and its commands exist."""

import re
from pathlib import Path

import build
import pytest
import torch

from clone import git
from paths import ROOT
from vqa.catalogue.images import load_image
from vqa.core.files import read_json
from vqa.inference.answerer import Answerer
from vqa.overlays import read_yaml
from vqa.settings import load_settings

README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with metrics/ and results/ as they are in git (staged ones too), not as the last run here left
    them: another processor rounds differently, and its run rewrites them.
    """
    if not (ROOT / ".git").exists():
        pytest.skip(
            "needs the git repository: the pages are held to the metrics that were committed with them"
        )
    folder = tmp_path_factory.mktemp("committed")
    files = git(ROOT, "ls-files", "metrics", "results").split()
    git(ROOT, "checkout-index", "--prefix", f"{folder}/", *files)
    return folder


def test_every_marked_section_is_what_the_committed_metrics_say(
    committed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(committed)
    found: dict[str, str] = {}
    for page in build.PAGES:
        text = (ROOT / page).read_text()
        found |= dict(re.findall(r"(?s)<!-- (\S+) -->\n(.*?)\n<!-- /\1 -->", text))
    assert found == build.sections()


def test_the_reasons_on_the_first_screen_have_the_numbers_of_the_tables() -> None:
    rows = [
        line.strip("| ").split("|") for line in README.splitlines() if "%" in line and line.startswith("|")
    ]
    _, lora, zero_image, _ = [[cell.strip() for cell in row[1:]] for row in rows]
    shares = [f"{float(row[0].split('%')[0]):.0f} %" for row in (lora, zero_image)]
    assert f": on drawings {shares[0]} with the image, {shares[1]} with its features set to zero." in README
    drawings, photographs = (re.findall(r"over (\d+) seeds", cell)[0] for cell in lora)
    assert f"over {drawings} training seeds on drawings, {photographs} on photographs" in README
    operations = (ROOT / "docs/results/operations.md").read_text()
    (shared,) = re.findall(r"(?m)^\| blip2-opt-2.7b \| 513 .* ([\d.]+) × \|$", operations)
    assert f"{float(shared):.1f} times fewer operations" in README


def test_the_photograph_is_answered_as_it_says() -> None:
    settings = load_settings(ROOT / "params.yaml", ROOT / "configs/presets/photos.yaml")
    adapter = ROOT / "models/adapter-photos"
    answerer = Answerer(settings, torch.device("cpu"), adapter, is_switched=True)
    (question,) = re.findall(r"\*(What .*\?)\*", README)
    features = answerer.features([load_image(ROOT / "docs/coffee.jpg")])
    for title, is_adapted in {"baseline": False, "with LoRA adapter": True}.items():
        ((answer, *_),) = answerer.answers(features, [question], is_adapted=is_adapted)
        assert f"{title}: **{answer.word}**" in README


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(README.splitlines()) <= 110


def test_photographs_are_judged_on_enough_and_won_by_looking(committed: Path) -> None:
    photos = read_json(committed / "results/photos/evaluate.json")
    assert photos["data"]["test_images"] >= 1000
    assert photos["data"]["test_pairs"] >= 5000
    for reference in ("zero_image", "question_only"):
        difference = photos[f"delta_to_{reference}"]["exact_match"]
        assert difference["value"] >= 0.05
        assert difference["low"] > 0
    colour = {name: photos[name]["by_type"]["color"]["exact_match"] for name in ("lora", "zero_image")}
    assert colour["lora"] - colour["zero_image"] >= 0.15


def test_the_committed_result_is_what_the_project_promises(committed: Path) -> None:
    metrics = read_json(committed / "metrics/evaluate.json")
    to_base, to_zero_image = metrics["delta"], metrics["delta_to_zero_image"]
    assert to_base["exact_match"]["value"] >= 0.10
    assert to_zero_image["exact_match"]["value"] >= 0.15
    assert to_base["contains"]["value"] >= 0.05
    for difference in (*to_base.values(), *to_zero_image.values()):
        assert difference["low"] > 0


@pytest.mark.parametrize("command", re.findall(r"^(?:make|dvc|python) .*", README, re.MULTILINE))
def test_every_command_names_things_that_exist(command: str) -> None:
    words = command.split("#", maxsplit=1)[0].split()
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    params = read_yaml((ROOT / "params.yaml").read_text())
    for key in re.findall(r"-S '?(\S+?)=", command):
        block, name = key.split(".")
        assert name in params[block]
    for path in re.findall(r"(?:src|data)/\S+\.(?:py|csv)", command):
        assert (ROOT / path).is_file()


def test_ci_runs_the_readme_s_test_command() -> None:
    assert "make test" in README
    assert (ROOT / ".ci/run").read_text().rstrip().endswith("\nmake test")
