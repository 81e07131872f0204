"""docs/architecture.md is a map: it must show what is there."""

import ast
import re
import tomllib
from pathlib import Path

from paths import ROOT
from vqa.overlays import read_yaml

MAP = (ROOT / "docs/architecture.md").read_text()
LIBRARY = ROOT / "src/vqa"
STAGES = read_yaml((ROOT / "dvc.yaml").read_text())["stages"]


def section(title: str) -> str:
    return MAP.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Cells of a Markdown table, without its head."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return lines[2:]


def packages() -> dict[str, set[str]]:
    """Package → its modules, as they lie on disk."""
    folders = [file.parent for file in LIBRARY.glob("*/__init__.py")]
    return {folder.name: {f.stem for f in folder.glob("*.py")} - {"__init__"} for folder in folders}


def test_it_shows_every_package_with_its_modules() -> None:
    shown = {name.strip("`"): set(modules.split()) for name, _, modules in rows(section("Packages"))}
    assert shown == packages()


def test_its_layers_are_those_that_import_linter_holds() -> None:
    shown = [line.split() for line in section("Layers").split("```")[1].strip().splitlines()]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [contract for contract in settings["contracts"] if contract["type"] == "layers"]
    assert shown == [re.findall(r"\w+", layer) for layer in contract["layers"]]


def test_its_table_of_deps_is_that_of_dvc_yaml() -> None:
    shown = {
        stage: set(code.split(", "))
        for stages, code in rows(section("What a stage goes stale by").split("\nStale of")[0])
        for stage in stages.split(", ")
    }
    listed = {
        name: {dep.removeprefix("src/vqa/") for dep in stage["deps"] if dep.startswith("src/vqa/")}
        for name, stage in STAGES.items()
    }
    assert shown == listed


def test_src_is_the_pipeline_and_readme_names_every_package() -> None:
    assert {file.stem for file in (ROOT / "src").glob("*.py")} - {"__main__"} == set(STAGES)
    layout = (ROOT / "README.md").read_text().split("\n## Layout\n")[1].split("\n## ")[0]
    assert [name for name in packages() if not re.search(rf"\b{name}/", layout)] == []


def module_named_by(package: str, name: str) -> str:
    """The module of a package that test_`name`.py is of: the longest that its name begins with, or ""."""
    fitting = [m for m in packages().get(package, set()) if f"{name}_".startswith(f"{m}_")]
    return max(fitting, key=len, default="")


def test_tests_mirror_the_library() -> None:
    """test_review_files.py is of the module review_files, and gives review no test."""
    files = (ROOT / "tests").glob("*/test_*.py")
    mirrored = [Path(file.parent.name, file.stem.removeprefix("test_")) for file in files]
    module_of = {
        path: module_named_by(path.parent.name, path.name)
        for path in mirrored
        if path.parent.name not in ("pipeline", "recipes", "docs", "benchmarks")
    }
    strays = {str(path) for path, module in module_of.items() if not module}
    assert strays == {"vlm/exactness", "cli/main"}  # of both halves together; of src/__main__.py
    tested = {str(path.parent / module) for path, module in module_of.items()}
    modules = {f"{package}/{module}" for package, names in packages().items() for module in names}
    assert sorted(modules - tested) == []


def test_the_modules_beside_the_packages_have_tests_of_their_name_too() -> None:
    tested = {file.stem.removeprefix("test_") for file in (ROOT / "tests").glob("test_*.py")}
    assert {file.stem for file in LIBRARY.glob("*.py")} - {"__init__"} == tested


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its lines without the docstring."""
    lines = function.end_lineno or 0
    said = function.body[0] if ast.get_docstring(function) else None
    return (
        lines - function.lineno + 1 - (said.end_lineno - said.lineno + 1 if said and said.end_lineno else 0)
    )


def test_no_file_and_no_function_is_longer_than_one_reads_at_once() -> None:
    ours = [
        f for part in ("src", "models/recipes", "benchmarks", "docs") for f in (ROOT / part).rglob("*.py")
    ]
    stages = {ROOT / "src" / f"{name}.py" for name in STAGES}
    most = {file: 150 if file in stages else 300 for file in ours if "benchmarks" not in file.parts}
    assert [str(file) for file, limit in most.items() if len(file.read_text().splitlines()) > limit] == []
    functions = (
        (f"{file.relative_to(ROOT)}: {node.name}", length(node))
        for file in ours
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert [name for name, lines in functions if lines > 40] == []
