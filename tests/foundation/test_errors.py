"""What a command says when something ends it: nothing where its reader only had seen enough."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

STAGE = "run_command(talk)"
TOOL = "run_command(command_line(__doc__, talk))"


@pytest.mark.parametrize("lines", [2, 100_000])  # all still in Python's buffer when the reader leaves, or not
@pytest.mark.parametrize("call", [STAGE, TOOL])
def test_a_reader_that_has_seen_enough_is_no_fault(tmp_path: Path, call: str, lines: int) -> None:
    script = tmp_path / "talking.py"
    script.write_text(
        "from time import sleep\n"
        "from vqa.foundation.command_line import command_line\n"
        "from vqa.foundation.errors import run_command\n"
        f"def talk() -> None:\n    sleep(0.2)\n    for i in range({lines}): print(i)\n"
        f"{call}\n"
    )
    talking = subprocess.Popen(
        [sys.executable, script],
        env={"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert talking.stdout and talking.stderr
    talking.stdout.close()
    assert talking.stderr.read() == ""
    talking.stderr.close()
    assert talking.wait() in (1, 141)
