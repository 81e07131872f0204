"""Functions → what a person types: their parameters are the options, their file's docstring is the help."""

import re
from collections.abc import Callable, Collection, Iterable
from inspect import getdoc

import typer
from typer.core import TyperCommand

from vqa.foundation.errors import InputError

_WIDEST_HELP = 100  # columns


def command_line(docstring: str | None, *functions: Callable[..., None]) -> typer.Typer:
    """What runs the function, or of several the one that the first word names.

    Plain text, also in a terminal: help, errors and tracebacks can be copied and read by programs.
    """
    usage = _with_commands_as_they_stand(docstring or "")
    app = typer.Typer(
        help=usage,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"max_content_width": _WIDEST_HELP},
    )
    for function in functions:
        of_its_own = (getdoc(function) or "").partition("\n\n")[0]
        app.command(cls=_Command, help=of_its_own if len(functions) > 1 else usage)(function)
    return app


def named_columns(options: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """What `--column WHAT=NAME …` says: our name of a column → what a file calls it.

    Raises:
        InputError: it says no column, or none of `known`.
    """
    named = {}
    for option in options:
        ours, _, theirs = (part.strip() for part in option.partition("="))
        if not theirs:
            raise InputError(f"--column {option} names no column; write it as --column {min(known)}=NAME")
        if ours not in known:
            raise InputError(f"--column {ours}=… is not known; it can be {', '.join(known)}")
        named[ours] = theirs
    return named


def _with_commands_as_they_stand(docstring: str) -> str:
    """Typer fills paragraphs anew, unless they are marked: the indented ones are commands, a line each."""
    return re.sub(r"(?m)(?<=\n\n)(?=    )", "\b\n", docstring)


class _Command(TyperCommand):
    """An option that may be repeated takes several values at once, as shells make them of `*.jpg`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        repeatable = {name for option in self.params if option.multiple for name in option.opts}
        spread: list[str] = []
        option = None  # whose values the words are
        for word in args:
            if word.startswith("-"):
                name = word.partition("=")[0]
                option = name if name in repeatable else None
            elif option and spread[-1] != option:
                spread.append(option)
            spread.append(word)
        return super().parse_args(ctx, spread)
