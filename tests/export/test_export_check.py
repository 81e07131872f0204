"""What a check of an exported folder says."""

from pathlib import Path

import pytest

from vqa.core.errors import InputError
from vqa.export.export_check import Check, Question, check_export, choose_questions, refuse_unequal

OPTIONS = {
    "base": "nothing",
    "revision": None,
    "dtype": "float32",
    "max_new_tokens": 3,
    "num_beams": 1,
    "is_bare": True,
}


def test_questions_are_spread_over_the_whole_file() -> None:
    rows = [{"question": str(number)} for number in range(100)]
    assert [row["question"] for row in choose_questions(rows, 4)] == ["0", "25", "50", "75"]
    assert len(choose_questions(rows[:3], 20)) == 3
    assert choose_questions(rows, 0) == []


def test_a_folder_that_cannot_be_asked_is_not_called_checked(tmp_path: Path) -> None:
    asked = [Question(tmp_path / "lamp.jpg", "What?", "What?", "lamp")]
    check = check_export("merged", tmp_path, asked, OPTIONS)
    assert str(check).startswith("not checked: ")
    with pytest.raises(InputError, match=r"merged: not checked: .*; export again"):
        refuse_unequal({"merged": check})


def test_a_difference_is_named() -> None:
    check = Check(20, 19, ("lamp.jpg, 'What?': 'mug' here, 'lamp' in the pipeline",))
    assert str(check).startswith("19 of 20 test questions answered as by the pipeline, by transformers ")
    assert str(check).endswith("; lamp.jpg, 'What?': 'mug' here, 'lamp' in the pipeline")
    with pytest.raises(InputError, match="19 of 20"):
        refuse_unequal({"adapter": check})
    refuse_unequal({"adapter": Check(20, 20)})
