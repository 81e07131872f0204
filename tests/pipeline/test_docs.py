"""Every command of README and docs is run here, in a clone, unless its comment says what it needs."""

import re
from pathlib import Path

import pytest

from clone import Clone
from conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    "make run": "tests/test_pipeline.py runs what it runs; the install is tried by hand",
    "make test": "is what runs this",
    ". .venv/bin/activate": "the clone uses this environment",
    "make demo": "tests/test_serve.py",
    "make abo": "tests/test_fetch_abo.py",
    "dvc repro": "tests/test_pipeline.py",
    "dvc exp run -S lora.r=8": "tests/test_pipeline.py",
}
NEEDS = re.compile(r"#.*\bneeds?\b")
ARGUMENTS = {"FILE": "data/predictions/lora.csv"}  # what stands for a file of the reader's


def commands(page: Path) -> list[str]:
    """The lines of a page's sh blocks, comments and all."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


def bare(command: str) -> str:
    return re.split(r"\s+#", command)[0].strip()


TO_RUN = list(
    dict.fromkeys(
        bare(command)
        for page in PAGES
        for command in commands(page)
        if not NEEDS.search(command) and bare(command) not in ELSEWHERE
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
    done = clone.run("sh", "-c", command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_page_is_without_its_line_in_the_index_and_no_link_is_dead() -> None:
    index = (ROOT / "docs/README.md").read_text()
    for page in PAGES[1:]:
        assert page.name == "README.md" or f"[{page.name}]({page.name})" in index
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_settings_that_commands_name_exist() -> None:
    for page in PAGES:
        for key in re.findall(
            r"`((?:demo|data|generate|validate|model|features|lora|train|evaluate)\.\w+)", page.read_text()
        ):
            block, name = key.split(".")
            assert re.search(rf"(?m)^{block}:\n(?:  .*\n)*?  {name}:", (ROOT / "params.yaml").read_text()), (
                key
            )
