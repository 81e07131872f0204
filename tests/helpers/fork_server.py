"""Run by tests/helpers/commands.py: commands as processes that need not import the libraries again.

Standard input is a socket. Each message there has a command, JSON with `words`, `folder` and `environment`,
and three files. A process is forked that is what `python WORDS` would be once it has imported its libraries:
it has a session of its own, the first two files as stdout and stderr, and ends or is killed as any other. Its
number and then its exit code are written into the third file, a line each.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import torch

import answer_others  # noqa: F401  # these import every library that takes long
import evaluate  # noqa: F401
import measure_speed  # noqa: F401
import train  # noqa: F401


def next_script() -> str:
    """Wait for commands. It returns in the processes that run them only: what they are to run."""
    requests = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:  # the tests have ended
            sys.exit()
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            process = os.fork()
            if process == 0:
                os.close(files[2])
                return become(**json.loads(message), output=files[0], errors=files[1])
            os.close(files[0])
            os.close(files[1])
            os.write(files[2], f"{process}\n".encode())
            _, status = os.waitpid(process, 0)
            os.write(files[2], f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        for file in files:
            os.close(file)


def become(words: list[str], folder: str, environment: dict[str, str], output: int, errors: int) -> str:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.close(output)
    os.close(errors)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    return words[0]


if __name__ == "__main__":
    torch.set_num_threads(1)
    gc.freeze()  # else a fork's collections look at all that was imported, and copy its pages
    script = next_script()
    sys.path[0] = str(Path(script) if Path(script).is_dir() else Path(script).parent)
    runpy.run_path(script, run_name="__main__")
