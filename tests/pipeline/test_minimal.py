"""examples/minimal.py: short enough to read, and it does what it says."""

import re
import subprocess
import sys

from paths import ROOT

SCRIPT = ROOT / "examples/minimal.py"


def test_it_has_at_most_sixty_lines() -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 60


def test_one_image_is_cached_one_step_lowers_the_loss_and_the_question_is_answered() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT.relative_to(ROOT)],
        cwd=ROOT,
        env={"PYTHONPATH": "src", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    features, answer = done.stdout.splitlines()
    assert features == "features (12, 160)"  # the queries of models/blip2-tiny, and their width
    found = re.fullmatch(r"loss (\d\.\d+) → (\d\.\d+); What color is it\? (\w+)", answer)
    assert found is not None, answer
    assert float(found[2]) < float(found[1])
    assert found[3] == "red"
