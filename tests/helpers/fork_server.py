"""Run by tests/helpers/commands.py: commands as processes that need not import the libraries again.

    python tests/helpers/fork_server.py            # commands come over standard input, which is a socket
    python tests/helpers/fork_server.py SOCKET     # each over a connection to that one, from forked_python.py

A command is JSON with `words`, `folder` and `environment`, and three files. A process is forked that is what
`python WORDS` would be once it has imported its libraries: it has a session of its own, and ends or is killed
as any other. Over standard input the files are stdout, stderr, and one where its number and then its exit
code are written, a line each; its code is that of this checkout. Over a connection they are stdin, stdout and
stderr, number and exit code go back over it, and the process is killed when it ends; its code is what lies in
its folder.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

import torch

import answer_others  # noqa: F401  # these import every library that takes long
import evaluate  # noqa: F401
import measure_speed  # noqa: F401
import train  # noqa: F401

SRC = Path(__file__).parents[2] / "src"
# How variables begin that libraries read when they are imported.
READ_AT_IMPORT = ("CUDA", "HF_", "MKL", "MPL", "OMP", "PYTHON", "TORCH", "TQDM", "TRANSFORMERS_")


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
                nothing = os.open(os.devnull, os.O_RDONLY)
                return become(**json.loads(message), files=(nothing, *files[:2]))
            os.close(files[0])
            os.close(files[1])
            os.write(files[2], f"{process}\n".encode())
            _, status = os.waitpid(process, 0)
            os.write(files[2], f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        for file in files:
            os.close(file)


def next_script_at(path: str) -> str:
    """The same for commands that come over connections, until the tests end and with them standard input."""
    forget_this_checkout()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(path)
    server.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        if server.fileno() not in select.select([server.fileno(), sys.stdin.fileno()], [], [])[0]:
            sys.exit()
        connection, _ = server.accept()
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            message, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            process = os.fork()
            if process == 0:
                connection.close()
                return become(**json.loads(message), files=tuple(files), may_differ=True)
            for file in files:
                os.close(file)
            watch(process, connection)
            os._exit(0)
        connection.close()


def watch(process: int, connection: socket.socket) -> None:
    """Report the number and the exit code of a process, which is killed if nobody is there to be told."""
    connection.send(f"{process}".encode())
    ends = os.pidfd_open(process)
    if ends not in select.select([ends, connection.fileno()], [], [])[0]:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    with suppress(OSError):
        connection.send(f"{os.waitstatus_to_exitcode(status)}".encode())


def forget_this_checkout() -> None:
    sys.path.remove(str(SRC))
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(SRC):
            del sys.modules[name]


def become(
    words: list[str],
    folder: str,
    environment: dict[str, str],
    files: tuple[int, ...],
    may_differ: bool = False,
) -> str:
    """`may_differ`: of the environment also what was read already; Python starts afresh then."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    if may_differ and read_at_import(environment) != read_at_import(dict(os.environ)):
        os.execve(sys.executable, [sys.executable, *words], environment)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    return words[0]


def read_at_import(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_IMPORT)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    gc.freeze()  # else a fork's collections look at all that was imported, and copy its pages
    script = next_script_at(sys.argv[1]) if sys.argv[1:] else next_script()
    sys.path[0] = str(Path(script).absolute() if Path(script).is_dir() else Path(script).absolute().parent)
    runpy.run_path(script, run_name="__main__")
