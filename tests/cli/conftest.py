"""What the tools work on."""

from collections.abc import Callable
from pathlib import Path

import pytest

import answer_adapted
import answer_base
import answer_others
import cache_features
import evaluate
import generate
import train
import validate


@pytest.fixture
def adapted(project: Callable[..., Path]) -> Path:
    """A project whose pipeline has run on the drawn catalogue with the toy model."""
    folder = project()
    for stage in (
        generate,
        validate,
        cache_features,
        train,
        answer_base,
        answer_adapted,
        answer_others,
        evaluate,
    ):
        stage.run()
    return folder
