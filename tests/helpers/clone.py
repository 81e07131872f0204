"""A copy of this repository in a folder of its own, and its dvc."""

import atexit
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from time import sleep

import psutil

from paths import ROOT

PYTHON = sys.executable  # also where a test puts another in its place


class Clone:
    """A copy of the repository and its dvc.

    `forks`: its scripts, which dvc starts, are forks of a process that has imported the libraries.
    """

    def __init__(self, folder: Path) -> None:
        copy_project(folder)
        self.folder, self.forks = folder, False

    @classmethod
    def copy(cls, other: "Clone", folder: Path) -> "Clone":
        """Another copy with all that ran in it: data, cache, commits."""
        shutil.copytree(other.folder, folder, dirs_exist_ok=True)
        return cls.at(folder, other.forks)

    @classmethod
    def of(cls, other: "Clone", folder: Path) -> "Clone":
        """A git clone of another copy: what a colleague has."""
        git(folder.parent, "clone", "-q", str(other.folder), str(folder))
        return cls.at(folder, other.forks)

    @classmethod
    def at(cls, folder: Path, forks: bool = False) -> "Clone":
        """A copy that is there."""
        clone = cls.__new__(cls)
        clone.folder, clone.forks = folder, forks
        return clone

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy, with this environment's programs on its path."""
        folders = [forked_python().parent] if self.forks else []
        path = os.pathsep.join(map(str, [*folders, Path(PYTHON).parent, os.environ["PATH"]]))
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def dvc(self, *arguments: str, **environment: str) -> str:
        """Run dvc, which must succeed; return what it prints."""
        result = self.run("dvc", *arguments, **environment)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def change(self, key: str, value: object) -> None:
        """Change one key of params.yaml in place, comments and all."""
        block, name = key.split(".")
        path = self.folder / "params.yaml"
        pattern = rf"(?m)^({block}:\n(?:  .*\n)*?  {name}: )[^\s#]+"
        text, count = re.subn(pattern, rf"\g<1>{value}", path.read_text())
        assert count == 1, key
        path.write_text(text)

    def commit(self, message: str) -> None:
        git(self.folder, "commit", "-qam", message)

    def repro(self) -> list[str]:
        """The stages that `dvc repro` ran."""
        return re.findall(r"Running stage '(\w+)'", self.dvc("repro"))

    def with_dependents(self, stages: set[str]) -> set[str]:
        """These stages and every one that uses what they write, as `dvc dag` has them."""
        found = set(stages)
        edges = re.findall(r'"(\w+)" -> "(\w+)"', self.dvc("dag", "--dot"))
        while more := {user for stage, user in edges if stage in found} - found:
            found |= more
        return found

    def processes(self) -> Iterator[psutil.Process]:
        """Every process that works in the copy."""
        return processes_in(self.folder)

    def kill_all(self) -> None:
        """SIGKILL to every process that works in the copy, as when the machine goes down."""
        kill_all_in(self.folder)

    def changed(self) -> set[str]:
        """The stages that `dvc status` calls changed."""
        return set(json.loads(self.dvc("status", "--json")))


def printed_by(script: Path, forks: bool = True) -> str:
    """What a script prints that knows nothing of this project, in its own folder, where it ends well.

    `forks`: libraries are imported already; else it begins as a stranger's does.
    """
    command = [str(forked_python()), script.name] if forks else [PYTHON, "-I", script.name]
    return subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=True).stdout


@cache
def forked_python() -> Path:
    """A `python` that is what forked_python.py says, in a folder for the front of a path."""
    folder, helpers = Path(mkdtemp(prefix="forked-")), Path(__file__).parent
    socket = folder / "socket"
    server = subprocess.Popen(
        [PYTHON, str(helpers / "fork_server.py"), str(socket)], stdin=subprocess.PIPE, cwd=ROOT
    )
    atexit.register(_end, server, folder)
    words = [PYTHON, "-IS", str(helpers / "forked_python.py"), str(socket), PYTHON]
    (folder / "python").write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    (folder / "python").chmod(0o755)
    while not socket.exists():
        assert server.poll() is None
        sleep(0.05)
    return folder / "python"


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    server.communicate()  # it ends with its standard input
    shutil.rmtree(folder, ignore_errors=True)


def copy_project(to: Path) -> None:
    """The committed and the uncommitted files of this checkout as a fresh git repository with one commit."""
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    git(to, "init", "-q")
    git(to, "add", "-A")
    git(to, "commit", "-q", "-m", "copy")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, which must succeed; return what it prints."""
    result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def processes_in(folder: Path) -> Iterator[psutil.Process]:
    """Every process that works in the folder, but this one."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder):
                yield process


def kill_all_in(folder: Path) -> None:
    """SIGKILL to every process that works in the folder, as when the machine goes down."""
    for process in processes_in(folder):
        with suppress(psutil.Error):
            process.kill()
