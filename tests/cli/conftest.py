"""What the tools work on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stages import TO_JUDGED


@pytest.fixture
def adapted(project_after: Callable[..., Path]) -> Path:
    """A project whose pipeline has run on the drawn catalogue with the toy model."""
    return project_after(TO_JUDGED, data={"licence": "abo"})
