"""Metrics of earlier versions."""

import json
from pathlib import Path

from vqa.evaluation.markdown import read_metrics, split_intervals


def test_intervals_in_lists_are_read_as_two_numbers_wherever_they_stand() -> None:
    old = {
        "delta": {"exact_match": {"value": 0.1, "ci95": [0.05, 0.2], "minimum_detectable_effect": 0.1}},
        "delta_to_zero_image": {"bert_score_f1": {"value": 0.1, "ci95": None}},
        "review": {"acceptance": 0.9, "acceptance_ci95": [0.8, 0.95]},
        "models": [{"ci95": [0, 1]}, "a"],
    }
    assert split_intervals(old) == {
        "delta": {"exact_match": {"value": 0.1, "low": 0.05, "high": 0.2, "minimum_detectable_effect": 0.1}},
        "delta_to_zero_image": {"bert_score_f1": {"value": 0.1, "low": None, "high": None}},
        "review": {"acceptance": 0.9, "acceptance_low": 0.8, "acceptance_high": 0.95},
        "models": [{"low": 0, "high": 1}, "a"],
    }


def test_metrics_of_today_are_read_as_they_are(tmp_path: Path) -> None:
    today = {"delta": {"exact_match": {"value": 0.1, "low": 0.05, "high": None}}, "others": {}, "n": 3}
    (tmp_path / "evaluate.json").write_text(json.dumps(today))
    assert read_metrics(tmp_path / "evaluate.json") == today
