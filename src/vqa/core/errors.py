"""Errors that a user can mend: one sentence that names the file, key or row and the remedy."""

import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import NoReturn

from vqa import INTERRUPTED

_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)  # full or forbidden

_READER_LEFT, _INTERRUPTED = 141, 130  # the exit codes in shells of a program that SIGPIPE or SIGINT ended
_MEND = "mend that and run this again: what was finished is kept"
# torch's words when a file that it writes has no room
_DISK_FULL = ("PytorchStreamWriter failed", "unexpected pos", "No space left on device")

_OUT_OF_MEMORY = (
    "out of memory",
    "out of shared memory",
    "DefaultCPUAllocator",
    "bad_alloc",
    "ALLOC_FAILED",
    "annot allocate memory",
)


class InputError(Exception):
    """Bad input. Its message is the whole explanation, on one line; a command prints it and exits with 1."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def run_command(command: Callable[[], None]) -> None:
    """Run a stage or command, which errors of the user or the machine end with one sentence on stderr.

    Exit code 1: bad input, a disk that is full or may not be written, or no memory; 130: Ctrl-C.
    """
    # Versions are pinned, so that warnings of future changes do not matter to users.
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        try:
            command()
        finally:
            sys.stdout.flush()  # here, where it can be caught, and not while Python ends
    except BrokenPipeError:  # the reader has closed the pipe, as `| head` does: no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_READER_LEFT)
    except InputError as error:
        _end(str(error))
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as ended:  # Typer turns an interrupt into it
        if ended.code == _INTERRUPTED:
            _interrupted()
        raise
    except (RuntimeError, MemoryError) as error:
        if any(words in str(error) for words in _DISK_FULL):
            _end(f"the disk is full or cannot be written ({first_line(error)}); {_MEND}")
        if not is_out_of_memory(error):
            raise
        _end(
            "out of memory; close other programs, or lower features.batch_size, features.workers, "
            "train.micro_batch_size, train.eval_batch_size or decoding.batch_size in params.yaml: what was "
            "finished is kept"
        )
    except OSError as error:
        if not is_of_the_machine(error):
            raise
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{where}{error.strerror}; {_MEND}")


def run_stage(stage: Callable[[], None]) -> None:
    """As `run_command`, for a stage without options: --help shows its docstring, other words are refused."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        usage = (sys.modules["__main__"].__doc__ or "").strip()
        run_command(lambda: print(usage))
    elif sys.argv[1:]:
        _end(f"{sys.argv[1]} is not known here: this stage takes no options; params.yaml has its settings")
    else:
        run_command(stage)


def is_of_the_machine(error: BaseException) -> bool:
    """Whether the cause is a disk that is full or may not be written."""
    return isinstance(error, OSError) and error.errno in _MACHINE


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python has a class for it, torch's errors are recognised by their words."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in _OUT_OF_MEMORY)
    )


def first_line(error: Exception) -> str:
    """The first line of a library's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def named_first(names: Sequence[str], most: int = 5) -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def end_at_interrupt() -> None:
    """For a worker process: Ctrl-C reaches it and its parent, and the worker ends without a message."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupted() -> NoReturn:
    print(INTERRUPTED, file=sys.stderr)
    sys.exit(_INTERRUPTED)


def _end(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(1)
