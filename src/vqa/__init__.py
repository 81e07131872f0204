"""The library behind the stages and tools. Each imports it first: from then on Ctrl-C is one line."""

import sys
from types import TracebackType

INTERRUPTED = "interrupted; run it again to go on: what was finished is kept"


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """One line of Ctrl-C while libraries are imported, which takes seconds; what Python shows of all else."""
    if issubclass(kind, KeyboardInterrupt):
        print(INTERRUPTED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _show
