"""The file of support levels, and that of pairs that training passes over."""

from pathlib import Path

import pytest

from vqa.core.errors import InputError
from vqa.pairs.pair import Pair, Support, read_support, without_left_out, write_left_out, write_support

PAIRS = [
    Pair("a.jpg", "What color?", "red"),
    Pair("a.jpg", "=How many?", "2"),
    Pair("b.jpg", "What color?", "blue"),
]
SUPPORT_LEVELS = [Support("supported", False), Support("conflicting", True), Support("unknown", True)]


def test_support_levels_come_back_for_any_of_the_pairs_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "support.csv"
    write_support(
        path, PAIRS, SUPPORT_LEVELS, [{"catalogue": said} for said in ("agrees", "contradicts", "")]
    )
    assert read_support(path, PAIRS[::-1]) == SUPPORT_LEVELS[::-1]
    assert read_support(path, PAIRS[1:2]) == SUPPORT_LEVELS[1:2]
    assert "catalogue" in path.read_text().splitlines()[0].split(",")


def test_a_pair_without_a_support_level_is_named(tmp_path: Path) -> None:
    path = tmp_path / "support.csv"
    write_support(path, PAIRS[:1], SUPPORT_LEVELS[:1], [{}])
    with pytest.raises(
        InputError, match=r"no support level on \('b.jpg', 'What color\?', 'blue'\); run dvc repro verify"
    ):
        read_support(path, PAIRS[2:])


def test_pairs_left_out_of_training_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "not_trained_on.csv"
    write_left_out(path, [])
    assert without_left_out(path, PAIRS) == PAIRS
    write_left_out(path, PAIRS[:2])
    assert without_left_out(path, PAIRS) == PAIRS[2:]
    with pytest.raises(InputError, match=r"leaves no pair to train on; set verify.train_on to all"):
        without_left_out(path, PAIRS[:2])
