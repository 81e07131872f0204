"""Calibrating: what is written beside an adapter, and what is only reported."""

import json
import shutil
from pathlib import Path

import pytest

from commands import used
from paths import ROOT
from vqa.core.csv_tables import read_rows
from vqa.scoring.calibration import Calibration, read_calibration, write_calibration

BEST = Path("models/adapter/best")


def test_of_train_s_own_adapter_the_calibration_is_only_reported(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted = Calibration(2.0, 0.6, 40)
    write_calibration(BEST, fitted)
    used("calibrate", "--adapter", BEST, "--report", "report.json")
    assert read_calibration(BEST) == fitted
    report = json.loads(Path("report.json").read_text())
    asked = read_rows(Path("data/vqa/test.csv"), ("question",))
    assert report["test_questions"] == len(asked)
    assert report["temperature"] == 2.0
    assert 0 < report["mean_probability"]["after"] < report["mean_probability"]["before"] <= 1
    assert report["coverage"][0] == {
        "at_least": 0.0,
        "answered": len(asked),
        "share": 1.0,
        "right": report["exact_match"],
    }
    assert "expected calibration error after" in capsys.readouterr().out


def test_another_adapter_s_is_fitted_where_there_is_enough_to_fit_it_on(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(BEST, "models/mine")
    Path("models/mine/calibration.json").unlink(missing_ok=True)
    with pytest.raises(SystemExit):
        used("calibrate", "--adapter", "models/mine")  # a toy has few questions, and is hardly ever right
    assert "validation answers are right: no temperature can be told from them" in capsys.readouterr().err
    assert not Path("models/mine/calibration.json").exists()


def test_the_shipped_adapter_says_what_its_report_says() -> None:
    shipped = read_calibration(ROOT / "models/adapter-photos")
    report = json.loads((ROOT / "results/calibration/photos.json").read_text())
    assert report["temperature"] == shipped.temperature
    assert report["at_least"] == shipped.at_least
    errors = report["expected_calibration_error"]
    assert errors["after"]["high"] < errors["before"]["low"]
