"""What a user can mend: one sentence that names the file, key or row and the remedy."""

import sys
import warnings
from collections.abc import Callable


class InputError(Exception):
    """Bad input. Its message is the whole explanation, on one line; a command prints it and exits with 1."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def run_command(command: Callable[[], None]) -> None:
    """Run a stage or command; bad input ends it with one sentence on stderr and exit code 1."""
    # Versions are pinned: what a library plans to change is no news for whoever runs this.
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        command()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
