"""The tools beside the stages, a file each in vqa/cli.

    python src                                # lists them
    python src ask --help                     # how one is used
    torchrun --nproc-per-node 8 src ask …     # on several GPUs

A tool's file ends with its `app`; its docstring is the help, the docstring's first line that of the list.
"""

import ast
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from vqa.core.errors import run_command

_STAGES = Path(__file__).parent
_TOOLS = _STAGES / "vqa/cli"


class Tools(TyperGroup):
    """The files are the list. One is imported when it is called, with the libraries that it needs."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return sorted(map(_word_of, _TOOLS.glob("[!_]*.py")))

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        if cmd_name in self.list_commands(ctx):
            return get_command(import_module(f"vqa.cli.{_module_of(cmd_name)}").app)
        if (_STAGES / f"{cmd_name}.py").is_file():
            sentence = f"{cmd_name} is a stage; run dvc repro {cmd_name}, or python src/{cmd_name}.py"
        else:
            near = get_close_matches(cmd_name, self.list_commands(ctx))
            mended = f"did you mean {' or '.join(near)}?" if near else "python src lists them"
            sentence = f"there is no tool {cmd_name}; {mended}"
        print(f"error: {sentence}", file=sys.stderr)
        raise typer.Exit(2)

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        with formatter.section("Tools"):
            formatter.write_dl([(name, _first_line(name)) for name in self.list_commands(ctx)])


def _word_of(file: Path) -> str:
    """What is typed; a word that Python keeps for itself ends in an underscore as a file's name."""
    return file.stem.rstrip("_")


def _module_of(tool: str) -> str:
    return f"{tool}_" if iskeyword(tool) else tool


def _first_line(tool: str) -> str:
    """What the file says that it does, read without importing it."""
    text = (_TOOLS / f"{_module_of(tool)}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


tools = Tools(
    help="Tools beside the stages, which dvc repro runs; python src TOOL --help says how one is used.",
    subcommand_metavar="TOOL …",
    options_metavar="",
    rich_markup_mode=None,
    context_settings={"max_content_width": 100},
)


def main(words: Sequence[str]) -> None:
    run_command(lambda: tools(words or ["--help"], prog_name="python src"))


if __name__ == "__main__":
    main(sys.argv[1:])
