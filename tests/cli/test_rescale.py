"""The table that rescales BERTScore, made again from fewer words."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from commands import used
from vqa.cli import rescale
from vqa.scoring.bertscore import Encoder, encoder_named


def test_a_few_hundred_pairs_come_near_the_shipped_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = encoder_named("minilm").baseline

    def elsewhere(name: str) -> Encoder:
        """The same, but its table is written where it overwrites nothing."""
        return replace(encoder_named(name), baseline=tmp_path / "table.csv")

    monkeypatch.setattr(rescale, "PAIRS", 300)
    monkeypatch.setattr(rescale, "encoder_named", elsewhere)
    used("rescale")
    theirs, ours = (list(csv.reader(file.open())) for file in (shipped, tmp_path / "table.csv"))
    assert [row[0] for row in ours] == [row[0] for row in theirs]
    for our, their in zip(ours[1:], theirs[1:], strict=True):
        assert [float(x) for x in our[1:]] == pytest.approx([float(x) for x in their[1:]], abs=0.03)
