"""Progress of long work: a bar in a terminal, a line every few seconds in a file."""

import os
import re
import sys
from typing import Any

from tqdm import tqdm

_SECONDS = 5.0  # between lines where the output is no terminal
_CURSOR = re.compile(r"\x1b\[A|[\r\n]")


def progress_bar(total: int, unit: str, label: str, done: int = 0, is_shown: bool = True) -> Any:
    """A bar that shows rate and time left; `done` of `total` were finished by an earlier run.

    In a log each state is a line of its own, every few seconds, since redrawing would fill the log.
    """
    options: dict[str, Any] = {}
    if not sys.stderr.isatty():
        options["file"] = _Lines()
        if "TQDM_MININTERVAL" not in os.environ:  # tqdm's own variable decides where it is set
            options["mininterval"] = _SECONDS
    return tqdm(total=total, initial=done, unit=unit, desc=label, disable=not is_shown, **options)


class _Lines:
    """stderr, for what tqdm redraws: every new state a line."""

    def __init__(self) -> None:
        self._last = ""

    def write(self, text: str) -> None:
        line = _CURSOR.sub("", text).rstrip()
        if line and line != self._last:
            self._last = line
            sys.stderr.write(line + "\n")

    def flush(self) -> None:
        sys.stderr.flush()
