"""What a command says when something ends it: nothing where its reader only had seen enough."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from paths import ROOT
from vqa import INTERRUPTED

STAGE = "run_command(talk)"


@pytest.mark.parametrize("stage", ["validate", "demo"])
def test_a_stage_says_what_it_is_for_and_does_not_run(stage: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / f"src/{stage}.py")]
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert f"python src/{stage}.py" in done.stdout
    assert list(tmp_path.iterdir()) == []
    other = subprocess.run([*command, "--halp"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert other.returncode == 1
    assert other.stderr.startswith("error: --halp is not known here")


TOOL = "run_command(command_line(__doc__, talk))"


@pytest.mark.parametrize("lines", [2, 100_000])  # all still in Python's buffer when the reader leaves, or not
@pytest.mark.parametrize("call", [STAGE, TOOL])
def test_a_reader_that_has_seen_enough_is_no_fault(tmp_path: Path, call: str, lines: int) -> None:
    script = tmp_path / "talking.py"
    script.write_text(
        "from time import sleep\n"
        "from vqa.core.cli import command_line\n"
        "from vqa.core.errors import run_command\n"
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


def ended(program: str, *, interrupt: bool = False) -> tuple[int, str]:
    """How a Python program ends, and its standard error; it is interrupted once it has said that it runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    if interrupt:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=100)
    return process.returncode, said


WAITS = """
    import time
    def run():
        print("running", flush=True)
        time.sleep(60)
"""
WAITING_STAGE = f"{WAITS}\n    from vqa.core.errors import run_command\n    run_command(run)"
WAITING_TOOL = f"""{WAITS}
    from vqa.core.cli import command_line
    from vqa.core.errors import run_command
    run_command(lambda: command_line("A tool.", run)([]))
"""


@pytest.mark.parametrize("program", [WAITING_STAGE, WAITING_TOOL])
def test_ctrl_c_is_one_line_and_exit_code_130(program: str) -> None:
    assert ended(program, interrupt=True) == (130, f"{INTERRUPTED}\n")


def test_ctrl_c_while_libraries_are_imported_is_one_line_too() -> None:
    code, said = ended(f"{WAITS}\n    import vqa\n    run()", interrupt=True)
    assert (code, said) == (-signal.SIGINT, f"{INTERRUPTED}\n")  # which a shell calls 130


@pytest.mark.parametrize(
    ("save", "sentence"),
    [
        ("torch.save({'weights': torch.zeros(9999)}, 'a.pt')", "the disk is full or cannot be written"),
        (
            "with writing(Path('adapter')): save_file({'weights': torch.zeros(9999)}, 'a.safetensors')",
            "adapter cannot be written",
        ),
    ],
)
def test_weights_that_find_no_room_are_one_sentence(tmp_path: Path, save: str, sentence: str) -> None:
    program = f"""
        import os, resource, torch
        from pathlib import Path
        from safetensors.torch import save_file
        from vqa.core.errors import run_command
        from vqa.core.files import writing
        os.chdir({str(tmp_path)!r})
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # a disk on which no file has more room
        def run():
            {save}
        run_command(run)
    """
    code, said = ended(program)
    assert code == 1
    assert said.startswith(f"error: {sentence}")
    assert len(said.splitlines()) == 1


POOL = """
    import os, signal, time
    from concurrent.futures import ProcessPoolExecutor
    from vqa.core.errors import end_at_interrupt, run_command

    def work(number):
        time.sleep(0.2 if number == 0 else 60)

    def run():
        with ProcessPoolExecutor(2, initializer=end_at_interrupt) as pool:
            for _ in pool.map(work, range(4)):
                print("running", flush=True)
                time.sleep(0.5)
                os.killpg(0, signal.SIGINT)

    os.setsid()
    run_command(run)
"""


def test_processes_that_work_for_another_end_with_it_and_say_nothing() -> None:
    assert ended(POOL) == (130, f"{INTERRUPTED}\n")
