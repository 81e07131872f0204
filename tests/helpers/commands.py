"""Stages and tools as commands of their own, as dvc and people run them: started, watched, killed."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryFile
from types import MappingProxyType, ModuleType
from typing import IO, Any

from paths import ROOT


def _main_of_src() -> ModuleType:
    """src/__main__.py under a name of its own: `__main__` is what runs the tests."""
    spec = spec_from_file_location("tools", ROOT / "src/__main__.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOLS = _main_of_src()

# One thread each: processes side by side on a small machine, and sums in one order.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TQDM_MININTERVAL": "0",
}
PYTHON = (sys.executable,)
_TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
TWO_PROCESSES = (*_TORCHRUN, "--standalone", "--nproc-per-node", "2")


def node(rank: int) -> tuple[str, ...]:
    """One of two hosts, both this one."""
    here = "--master-addr", "127.0.0.1", "--master-port", "29519"
    return (*_TORCHRUN, "--nnodes", "2", "--node-rank", str(rank), "--nproc-per-node", "1", *here)


@cache
def _fork_server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Where tests/helpers/fork_server.py takes commands, and its process, which ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = Path(__file__).with_name("fork_server.py")
    command = [sys.executable, str(server)]
    process = subprocess.Popen(command, stdin=theirs.fileno(), env={**os.environ, **_ENVIRONMENT}, cwd=ROOT)
    theirs.close()
    return ours, process


class Forked:
    """A command of the fork server, as `subprocess.Popen` has it; `errors` is its stderr, else stdout is."""

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        errors: IO[str] | None = None,
        is_read: bool = True,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        read, write = os.pipe()
        said, saying = os.pipe()
        self.stdout = os.fdopen(read)
        if not is_read:
            self.stdout.close()
        whole = {**os.environ, **_ENVIRONMENT, **environment}
        message = {"words": words, "folder": str(folder), "environment": whole}
        files = [write, errors.fileno() if errors else write, saying]
        socket.send_fds(_fork_server()[0], [json.dumps(message).encode()], files)
        os.close(write)
        os.close(saying)
        self._said = os.fdopen(said)
        self.pid = int(self._said.readline())
        self.returncode: int | None = None

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = int(self._said.read())
            self._said.close()
            self.stdout.close()
        return self.returncode

    def communicate(self) -> tuple[str, None]:
        printed = self.stdout.read()
        self.wait()
        return printed, None

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


Process = subprocess.Popen[str] | Forked


def started(stage: str | list[str], launcher: tuple[str, ...] = ()) -> Process:
    """The stage, or the tool with its words, in the working directory; stdout and stderr come together.

    Without a launcher it is a fork of a process that has imported the libraries, which takes most of a short
    run's time; with PYTHON it is what a person starts.
    """
    command = _words(stage)
    if not launcher:
        return Forked(command, Path.cwd())
    return subprocess.Popen(
        [*launcher, *command],
        env={**os.environ, **_ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _words(stage: str | list[str]) -> list[str]:
    """Behind `python`: of a stage, or of a tool with its words."""
    return [str(ROOT / f"src/{stage}.py")] if isinstance(stage, str) else [str(ROOT / "src"), *stage]


def tool(folder: Path, *words: str) -> str:
    """What `python src WORDS` prints in a copy of the repository, where it ends well.

    The code is that of this checkout, which the copy's is equal to.
    """
    with TemporaryFile("w+") as errors:
        process = Forked([str(ROOT / "src"), *words], folder, errors)
        printed, _ = process.communicate()
        errors.seek(0)
        assert process.returncode == 0, printed + errors.read()
    return printed


def unread(*words: str, script: str = "src") -> tuple[int, str]:
    """How `python src WORDS` ends when nobody reads what it prints, as before `| head -0`; and its stderr."""
    with TemporaryFile("w+") as errors:
        code = Forked([str(ROOT / script), *words], ROOT, errors, is_read=False).wait()
        errors.seek(0)
        return code, errors.read()


def finished(process: Process) -> str:
    """What it printed, when it ends well."""
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return printed


def run(stage: str | list[str], launcher: tuple[str, ...] = ()) -> str:
    return finished(started(stage, launcher))


def shared_out(stage: str | list[str], hosts: int = 1) -> str:
    """What two processes print that share the work of a stage or tool.

    They are forks, in the environment that torchrun makes: of one host, or the only ones of two.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": str(2 // hosts), "TORCHELASTIC_RUN_ID": "none"}
    world |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = []
    for rank in range(2):
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank // hosts)}
        processes.append(Forked(_words(stage), Path.cwd(), environment=world | ranks))
    try:
        return "".join(map(finished, processes))
    finally:
        for process in processes:
            if process.returncode is None:  # it waits for one that failed
                process.send_signal(signal.SIGKILL)


def killed_at(stage: str | list[str], pattern: str) -> None:
    """Start the stage or tool and SIGKILL it as soon as what it prints matches."""
    process = started(stage)
    assert process.stdout is not None
    printed = ""
    while not re.search(pattern, printed):
        letter = process.stdout.read(1)
        assert letter, f"ended before {pattern!r}: {printed}"
        printed += letter
    process.send_signal(signal.SIGKILL)
    process.wait()


class Serving:
    """`python src serve` at a port: called, it posts to the page and returns its reply."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, content: dict[str, str]) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/", json.dumps(content))
        said = json.loads(connection.getresponse().read())
        connection.close()
        return said


@contextmanager
def served() -> Iterator[Serving]:
    """`python src serve` at a free port."""
    process = started(["serve", "--port", "0"])
    try:
        assert process.stdout
        port = next(filter(None, (re.search(r"127\.0\.0\.1:(\d+)", line) for line in process.stdout)))[1]
        yield Serving(int(port))
    finally:
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
    assert "Traceback" not in printed


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def used(*words: object) -> None:
    """`python src WORDS`, in this process.

    Raises:
        SystemExit: it did not end well.
    """
    try:
        TOOLS.main([str(word) for word in words])
    except SystemExit as ended:
        if ended.code:
            raise
