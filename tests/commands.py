"""Stages as commands of their own, as dvc runs them: started, watched, killed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

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
    """The stage (or a script with a path, or with arguments) in the working directory; stdout and stderr come
    together.
    """
    command = [stage] if isinstance(stage, str) else stage
    if "/" not in command[0]:
        command = [str(ROOT / f"src/{command[0]}.py")]
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


def run(stage: str, launcher: tuple[str, ...] = PYTHON) -> str:
    return finished(started(stage, launcher))


def killed_at(stage: str, pattern: str) -> None:
    """Start the stage and SIGKILL it as soon as what it prints matches."""
    process = started(stage)
    assert process.stdout is not None
    printed = ""
    while not re.search(pattern, printed):
        letter = process.stdout.read(1)
        assert letter, f"ended before {pattern!r}: {printed}"
        printed += letter
    process.send_signal(signal.SIGKILL)
    process.wait()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
