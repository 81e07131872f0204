"""Every command of README and docs is run here, in a clone, unless its comment says what it needs; every tool
and option that a text names exists.
"""

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from clone import Clone
from commands import TOOLS, tool
from paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RESULTS = sorted((ROOT / "docs/results").glob("*.md"))  # tables that commands made
ELSEWHERE = {
    "make run": "tests/pipeline/test_pipeline.py runs what it runs; the install is tried by hand",
    "make test": "is what runs this",
    ". .venv/bin/activate": "the clone uses this environment",
    "make demo": "tests/cli/test_serve.py",
    "make abo": "tests/pipeline/test_fetch_abo.py",
    "dvc repro": "tests/pipeline/test_pipeline.py",
}
NEEDS = re.compile(r"#.*\bneeds?\b")
ARGUMENTS = {"FILE": "data/predictions/lora.csv"}  # what stands for a file of the reader's


def commands(page: Path) -> list[str]:
    """The lines of a page's sh blocks, comments and all."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


def bare(command: str) -> str:
    return re.split(r"\s+#", command)[0].strip()


NAMED_IN = [  # tools and stages by their commands
    *PAGES,
    *RESULTS,
    *(ROOT / name for name in ("Makefile", ".github/workflows/ci.yml", "results/studies/ablation.md")),
    *(ROOT / "configs/presets").glob("*.yaml"),
    *(ROOT / "models").glob("*/README.md"),
    *(ROOT / "src").rglob("*.py"),
]
PROSE = {"lists"}  # what follows `python src` in sentences about it

TO_RUN = list(
    dict.fromkeys(
        bare(command)
        for page in PAGES[1:]
        for command in commands(page)
        if not NEEDS.search(command) and bare(command) not in (*ELSEWHERE, *map(bare, commands(PAGES[0])))
    )
)


@pytest.fixture(scope="module")
def clone(small_run: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone.copy(small_run, tmp_path_factory.mktemp("reader"))


@pytest.mark.parametrize("command", TO_RUN)
def test_the_command_runs_in_a_clone(command: str, clone: Clone) -> None:
    for name, file in ARGUMENTS.items():
        command = re.sub(rf"\b{name}\b", file, command)
    if (
        not command.startswith(("git", "dvc queue", "dvc metrics"))
        and clone.run("git", "diff", "--quiet").returncode
    ):
        clone.run("git", "checkout", "-q", ".")  # what the last command changed
        clone.dvc("checkout", "-q")
    follow(clone, command)
    if command.startswith("dvc queue stop"):
        clone.kill_all()  # a worker that had not begun yet goes on, through four trainings


def follow(clone: Clone, command: str) -> None:
    """Run a command as a shell would; a tool by a fork of what has its libraries."""
    words = shlex.split(command)
    if words[:2] == ["python", "src"]:
        tool(clone.folder, *words[2:])
        return
    done = clone.run("sh", "-c", command)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_readme_is_followed_in_its_order_as_a_person_does(small_run: Clone, tmp_path: Path) -> None:
    """Nothing is taken back between two commands but by the page's own."""
    clone = Clone.copy(small_run, tmp_path / "reader")
    steps = [bare(command) for command in commands(PAGES[0]) if not NEEDS.search(command)]
    steps = [command for command in steps if command not in ELSEWHERE]
    assert len(steps) >= 5
    for command in steps:
        follow(clone, command)
        if command.startswith("git checkout"):
            assert clone.run("git", "status", "--porcelain").stdout == ""
            assert clone.changed() == set()


def test_no_page_is_without_its_line_in_the_index_and_no_link_is_dead() -> None:
    index = (ROOT / "docs/README.md").read_text()
    for page in PAGES[1:]:
        assert page.name == "README.md" or f"[{page.name}]({page.name})" in index
    linked = "".join(page.read_text() for page in PAGES)
    for page in RESULTS:
        assert f"(results/{page.name}" in linked, page.name
    for page in (*PAGES, *RESULTS):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_file_that_a_page_names_exists() -> None:
    ours = re.compile(r"`(?:python )?((?:src|tests|benchmarks|experiments|params)/[\w/.-]+\.\w+)")
    for page in (*PAGES, *RESULTS):
        if page.stem != "similar_projects":  # which names files of theirs
            for path in ours.findall(page.read_text()):
                assert (ROOT / path).is_file(), f"{page.name} names {path}"


def test_every_link_to_a_part_of_a_page_finds_its_heading() -> None:
    for page in (*PAGES, *RESULTS):
        for link, part in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
            target = page.parent / link if link else page
            headings = re.findall(r"(?m)^#+ (.+)$", target.read_text())
            assert part in map(anchor, headings), f"{page.name} links to {link}#{part}"


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_settings_that_commands_name_exist() -> None:
    for page in PAGES:
        for key in re.findall(
            r"`((?:demo|data|generate|validate|verify|model|features|lora|train|decoding|zero_shot|benchmark|evaluate)\.(?!csv)\w+)",
            page.read_text(),
        ):
            block, name = key.split(".")
            assert re.search(rf"(?m)^{block}:\n(?:  .*\n)*?  {name}:", (ROOT / "params.yaml").read_text()), (
                key
            )


def written(text: str) -> list[str]:
    """The commands that start tools, or the stages that have options: lines of their own and quoted ones."""
    start = r"(?:python|torchrun[^`\n]*?) (?=src [a-z]|src/(?:generate|verify|evaluate)\.py)"
    lines = re.findall(rf"(?m)^\s*{start}([^#`\n&]*)", text)
    return lines + re.findall(rf"(?s)`{start}([^`]*)`", text)


def parsed(command: str) -> None:
    """By Typer, without a run; of a mere mention only the names.

    Raises:
        typer.BadParameter, typer.Exit: it could not run.
    """
    script, *words = shlex.split(re.sub(r" …$| --help$|[\[\]]", "", command.strip()))
    called: Any = TOOLS.tools if script == "src" else get_command(import_module(Path(script).stem).app)
    while isinstance(called, TyperGroup):
        _, called, words = called.resolve_command(typer.Context(called), words)
    if words:
        called.make_context(None, words)


def test_every_command_that_a_text_shows_could_run() -> None:
    shown = {command for file in NAMED_IN for command in written(file.read_text())}
    assert len(shown) > 20
    for command in shown:
        parsed(command)


@pytest.mark.parametrize(
    "command", ["src swich ci", "src ask --imag a", "src study run --job 2", "src/generate.py -x"]
)
def test_a_command_that_could_not_run_is_noticed(command: str) -> None:
    (found,) = written(f"```sh\npython {command}   # why\n```\n")
    with pytest.raises((typer.TyperException, typer.Exit)):
        parsed(found)


def test_every_tool_that_a_sentence_names_exists() -> None:
    context = typer.Context(TOOLS.tools)
    for file in NAMED_IN:
        named = set(re.findall(r"python src ([a-z]\w*)", file.read_text())) - PROSE
        assert named <= set(TOOLS.tools.list_commands(context)), file
