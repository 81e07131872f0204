"""The README says what the committed metrics say, and its commands exist."""

import re

import pytest
import yaml

from conftest import ROOT
from vqa.files import read_json
from vqa.report import format_sentence, results_table

README = (ROOT / "README.md").read_text()
METRICS = read_json(ROOT / "metrics/evaluate.json")


def section(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.DOTALL)
    assert found, name
    return found[1]


def test_the_results_table_is_the_committed_metrics_file_s() -> None:
    assert section("results") == results_table(METRICS)
    assert section("format") == format_sentence(METRICS)


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
