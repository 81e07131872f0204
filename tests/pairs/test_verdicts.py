"""The file of verdicts, and that of pairs that training passes over."""

from pathlib import Path

import pytest

from vqa.foundation.errors import InputError
from vqa.pairs.pair import Pair
from vqa.pairs.verdicts import Verdict, read_verdicts, without_left_out, write_left_out, write_verdicts

PAIRS = [
    Pair("a.jpg", "What color?", "red"),
    Pair("a.jpg", "=How many?", "2"),
    Pair("b.jpg", "What color?", "blue"),
]
VERDICTS = [Verdict("confirmed", False), Verdict("disputed", True), Verdict("unknown", True)]


def test_verdicts_come_back_for_any_of_the_pairs_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    write_verdicts(path, PAIRS, VERDICTS, [{"catalogue": said} for said in ("agrees", "contradicts", "")])
    assert read_verdicts(path, PAIRS[::-1]) == VERDICTS[::-1]
    assert read_verdicts(path, PAIRS[1:2]) == VERDICTS[1:2]
    assert "catalogue" in path.read_text().splitlines()[0].split(",")


def test_a_pair_without_a_verdict_is_named(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    write_verdicts(path, PAIRS[:1], VERDICTS[:1], [{}])
    with pytest.raises(
        InputError, match=r"no verdict on \('b.jpg', 'What color\?', 'blue'\); run dvc repro verify"
    ):
        read_verdicts(path, PAIRS[2:])


def test_pairs_left_out_of_training_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "not_trained_on.csv"
    write_left_out(path, [])
    assert without_left_out(path, PAIRS) == PAIRS
    write_left_out(path, PAIRS[:2])
    assert without_left_out(path, PAIRS) == PAIRS[2:]
    with pytest.raises(InputError, match=r"leaves no pair to train on; set verify.train_on to all"):
        without_left_out(path, PAIRS[:2])
