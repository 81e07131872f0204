"""What is written whole replaces no more than what was written before."""

from pathlib import Path

import pytest

from vqa.core.errors import InputError
from vqa.core.files import check_replaceable


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    names = ("README.md", "data")
    check_replaceable(tmp_path / "new", names)
    check_replaceable(tmp_path, names)
    (tmp_path / "README.md").touch()
    (tmp_path / "data").mkdir()
    check_replaceable(tmp_path, names)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"holds notes\.txt, which would be lost; give a folder of its own"):
        check_replaceable(tmp_path, names)
    with pytest.raises(InputError, match=r"holds notes\.txt"):
        check_replaceable(tmp_path / "notes.txt", names)
