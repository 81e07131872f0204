"""`python src`: the list of tools, their help, and what each loads."""

import subprocess
import sys
from pathlib import Path

import pytest

from commands import unread, used
from paths import ROOT
from vqa.overlays import read_yaml

TOOLS = sorted(file.stem.rstrip("_") for file in (ROOT / "src/vqa/cli").glob("[!_]*.py"))
HEAVY = ("torch", "transformers", "peft", "dvc", "matplotlib", "rich")


def test_beside_the_stages_lie_only_the_library_and_the_way_to_the_tools() -> None:
    there = {path.name for path in (ROOT / "src").iterdir() if path.name != "__pycache__"}
    stages = {f"{stage}.py" for stage in read_yaml((ROOT / "dvc.yaml").read_text())["stages"]}
    assert there == {*stages, "vqa", "__main__.py"}


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_alone_it_lists_every_tool_on_a_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    used(*words)
    listed = capsys.readouterr().out.split("Tools:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == TOOLS
    assert all(line.endswith(".") and len(line) <= 80 for line in listed)


@pytest.mark.parametrize("tool", TOOLS)
def test_help_has_the_commands_of_the_docstring_and_fits_a_hundred_columns(
    tool: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    used(tool, "--help")
    lines = capsys.readouterr().out.splitlines()
    assert any(line.strip().startswith(f"python src {tool}") for line in lines[1:])
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("swich ci", "error: there is no tool swich; did you mean switch?\n"),
        ("zebra", "error: there is no tool zebra; python src lists them\n"),
        ("train", "error: train is a stage; run dvc repro train, or python src/train.py\n"),
        ("_hidden", "error: there is no tool _hidden; python src lists them\n"),
    ],
)
def test_what_is_no_tool_gets_one_sentence(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        used(*words.split())
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", sentence)


def test_bad_input_ends_with_one_and_bad_usage_with_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, code, sentence in (
        ("switch nothing", 1, "error: configs/presets/nothing.yaml is missing"),
        ("switch", 2, "Missing argument 'names'"),
        ("switch --nmae ci", 2, "No such option: --nmae"),
        ("study rnu", 2, "Did you mean 'run'?"),
    ):
        with pytest.raises(SystemExit) as ended:
            used(*words.split())
        assert ended.value.code == code
        said = capsys.readouterr().err
        assert sentence in said
        assert "Traceback" not in said


@pytest.mark.parametrize("words", ["", "results", *(f"{tool} --help" for tool in TOOLS)])
def test_a_reader_that_has_seen_enough_gets_no_traceback(words: str) -> None:
    code, said = unread(*words.split())
    assert code in (1, 141)
    assert said == ""


@pytest.mark.parametrize("stage", ["train", "generate"])
def test_a_reader_of_a_stage_s_help_that_has_seen_enough_gets_no_traceback(stage: str) -> None:
    code, said = unread("--help", script=f"src/{stage}.py")
    assert code in (1, 141)  # Typer's own end, or ours
    assert said == ""


@pytest.mark.parametrize("words", ["", "--help", "switch nothing", "switch --help", "results", "swich"])
def test_what_needs_no_model_loads_none(words: str, tmp_path: Path) -> None:
    """Why these answer at once: a process of their own has loaded nothing large when it ends."""
    script = (
        "import atexit, runpy, sys\n"
        f"atexit.register(lambda: print('loaded', *({HEAVY!r} & sys.modules.keys())))\n"
        f"sys.path.insert(0, {str(ROOT / 'src')!r})\n"
        f"sys.argv = ['src', *{words.split()!r}]\n"
        f"runpy.run_path({str(ROOT / 'src/__main__.py')!r}, run_name='__main__')\n"
    ).replace(repr(HEAVY), repr(set(HEAVY)))
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.stdout.splitlines()[-1] == "loaded"
