"""The table that rescales BERTScore, made again from fewer words."""

import csv
import re
from pathlib import Path

import pytest
import rescale

from vqa.pairs.pair import Pair, write_pairs
from vqa.scoring.bertscore import baseline_of_words


def test_a_few_hundred_pairs_come_near_the_shipped_table_and_show_their_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped, made = baseline_of_words("minilm"), tmp_path / "table.csv"
    monkeypatch.setattr(rescale, "PAIRS", 300)
    monkeypatch.setattr(rescale, "baseline_of_words", lambda name: made)  # where it overwrites nothing
    rescale.run()
    theirs, ours = (list(csv.reader(file.open())) for file in (shipped, made))
    assert [row[0] for row in ours] == [row[0] for row in theirs]
    for our, their in zip(ours[1:], theirs[1:], strict=True):
        assert [float(x) for x in our[1:]] == pytest.approx([float(x) for x in their[1:]], abs=0.03)
    said = re.fullmatch(
        r"F1 of unrelated words: mean (-?0\.00); 5 % below (\S+), 50 % below (\S+), 95 % below (\S+); .*",
        capsys.readouterr().out.splitlines()[-1],
    )
    assert said
    low, middle, high = map(float, said.groups()[1:])
    assert -0.2 < low < middle < high < 0.25


def test_answers_are_shown_and_no_table_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = baseline_of_words("minilm").read_bytes()
    monkeypatch.setattr(rescale, "PAIRS", 100)
    pairs = [Pair("a.jpg", "What color?", color) for color in ("red", "blue", "Teal")]
    write_pairs(tmp_path / "test.csv", pairs)
    rescale.run(answers=tmp_path / "test.csv")
    said = re.search(r"test.csv: mean (\S+);", capsys.readouterr().out)
    assert said and 0.1 < float(said[1]) < 1  # colours are nearer each other than words
    write_pairs(tmp_path / "test.csv", pairs[:1])
    rescale.run(answers=tmp_path / "test.csv")
    assert "there are none" in capsys.readouterr().out
    assert baseline_of_words("minilm").read_bytes() == before
