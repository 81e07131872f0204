"""The README says what the committed metrics say, and its commands exist."""

import re

import pytest
import yaml

import results
from conftest import ROOT
from vqa.files import read_json

README = (ROOT / "README.md").read_text()
METRICS = read_json(ROOT / "metrics/evaluate.json")
PHOTOS = read_json(ROOT / "metrics/photos/evaluate.json")


def test_every_marked_section_is_what_the_committed_metrics_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found: dict[str, str] = {}
    for page in results.PAGES:
        found |= dict(re.findall(r"(?s)<!-- (\S+) -->\n(.*?)\n<!-- /\1 -->", page.read_text()))
    assert found == results.sections()


def test_photographs_are_judged_on_enough_and_won_by_looking() -> None:
    assert PHOTOS["data"]["test_images"] >= 1000
    assert PHOTOS["data"]["test_pairs"] >= 5000
    for reference in ("blind", "text_only"):
        difference = PHOTOS[f"delta_to_{reference}"]["exact_match"]
        assert difference["value"] >= 0.05
        assert difference["ci95"][0] > 0
    colour = {name: PHOTOS[name]["by_type"]["color"]["exact_match"] for name in ("lora", "blind")}
    assert colour["lora"] - colour["blind"] >= 0.15


def test_the_committed_result_is_what_the_project_promises() -> None:
    to_base, to_blind = METRICS["delta"], METRICS["delta_to_blind"]
    assert to_base["exact_match"]["value"] >= 0.10
    assert to_blind["exact_match"]["value"] >= 0.15
    assert to_base["contains"]["value"] >= 0.05
    for difference in (*to_base.values(), *to_blind.values()):
        assert difference["ci95"][0] > 0


@pytest.mark.parametrize("command", re.findall(r"^(?:make|dvc|python) .*", README, re.MULTILINE))
def test_every_command_names_things_that_exist(command: str) -> None:
    words = command.split("#", maxsplit=1)[0].split()
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key in re.findall(r"-S '?(\S+?)=", command):
        block, name = key.split(".")
        assert name in params[block]
    for path in re.findall(r"(?:src|data)/\S+\.(?:py|csv)", command):
        assert (ROOT / path).is_file()


def test_ci_runs_the_readme_s_test_command() -> None:
    assert "make test" in README
    assert (ROOT / ".ci/run").read_text().rstrip().endswith("\nmake test")
