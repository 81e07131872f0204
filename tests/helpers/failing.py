"""A stage that must end with one sentence."""

from collections.abc import Callable

import pytest

from vqa.core.errors import run_command


def fails(stage: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a stage that must end with exit code 1 and one sentence; return the sentence."""
    with pytest.raises(SystemExit) as caught:
        run_command(stage)
    assert caught.value.code == 1
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith("error: ")
    return sentence
