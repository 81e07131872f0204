"""Stages and tools as commands of their own, as dvc and people run them: started, watched, killed."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

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


def started(stage: str | list[str], launcher: tuple[str, ...] = PYTHON) -> subprocess.Popen[str]:
    """The stage, or the tool with its words, in the working directory; stdout and stderr come together."""
    command = [str(ROOT / f"src/{stage}.py")] if isinstance(stage, str) else [str(ROOT / "src"), *stage]
    return subprocess.Popen(
        [*launcher, *command],
        env={**os.environ, **_ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    """What it printed, when it ends well."""
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return printed


def run(stage: str | list[str], launcher: tuple[str, ...] = PYTHON) -> str:
    return finished(started(stage, launcher))


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
        printed, _ = process.communicate(timeout=600)
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
