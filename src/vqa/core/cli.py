"""Functions → command lines: the parameters are the options, the docstring of the file is the help."""

import re
from collections.abc import Callable, Collection, Iterable
from inspect import getdoc

import typer
from typer.core import TyperCommand

from vqa.core.errors import InputError

_WIDEST_HELP = 100  # columns


def command_line(docstring: str | None, *functions: Callable[..., None]) -> typer.Typer:
    """An app that runs the function, or of several functions the one that the first word names.

    It prints plain text, also in a terminal, so that help, errors and tracebacks can be copied and parsed.
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
    """Parse `--column WHAT=NAME …`: our name of a column → its name in the file.

    Raises:
        InputError: an option names no column, or one that is not in `known`.
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
    """Mark indented paragraphs, which are commands, a line each: Typer rewraps paragraphs without a mark."""
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
