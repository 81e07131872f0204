"""Options of functions: values in a row, help as the docstring has it, no colour."""

from pathlib import Path
from typing import Annotated

import pytest
import typer

from vqa.core.cli import command_line

DOCSTRING = """Look at images.

    python look.py --image a.jpg b.jpg        # a comment that stays
    python look.py

In: images,
said over two lines.
"""
SEEN: list[tuple[object, ...]] = []


def look(
    image: Annotated[list[Path] | None, typer.Option()] = None,
    word: Annotated[list[str] | None, typer.Option()] = None,
    top: int = 1,
) -> None:
    """Look at all.

    Not shown beside it.
    """
    SEEN.append((image, word, top))


def listen() -> None:
    """Listen to all."""


def said_with(*words: str, functions: tuple[object, ...] = (look,)) -> int:
    with pytest.raises(SystemExit) as ended:
        command_line(DOCSTRING, *functions)(list(words), prog_name="look")  # type: ignore[arg-type]
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    "words",
    [
        "--image a.jpg b.jpg --word 1 --top 3",
        "--image a.jpg --word 1 --image b.jpg --top=3",
        "--top 3 --word 1 --image=a.jpg b.jpg",
    ],
)
def test_values_of_an_option_stand_in_a_row_or_each_behind_its_name(words: str) -> None:
    SEEN.clear()
    assert said_with(*words.split()) == 0
    assert [([Path("a.jpg"), Path("b.jpg")], ["1"], 3)] == SEEN


def test_a_value_too_many_and_an_unknown_option_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for words, sentence in (
        ("--top 3 4", "extra argument(s) (4)"),
        ("--tpo 3", "Possible options: --top"),
    ):
        assert said_with(*words.split()) == 2
        assert sentence in capsys.readouterr().err


def test_help_is_the_docstring_with_its_commands_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert said_with("--help") == 0
    printed = capsys.readouterr().out
    assert "      python look.py --image a.jpg b.jpg        # a comment that stays\n" in printed
    assert "  In: images, said over two lines.\n" in printed
    assert "\x1b" not in printed


def test_several_functions_are_named_by_the_first_word(capsys: pytest.CaptureFixture[str]) -> None:
    SEEN.clear()
    assert said_with("--help", functions=(look, listen)) == 0
    assert "  look    Look at all.\n  listen  Listen to all.\n" in capsys.readouterr().out
    assert said_with("look", "--top", "2", functions=(look, listen)) == 0
    assert SEEN == [(None, None, 2)]
