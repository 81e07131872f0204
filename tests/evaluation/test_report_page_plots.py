"""What `dvc plots` draws of an evaluation."""

from pathlib import Path

from evaluated import DETAILS, PAIRS, TEXTS
from vqa.core.csv_tables import read_rows
from vqa.evaluation.report_page import confusions, write_plots
from vqa.pairs.pair import Pair


def test_confusions_are_of_the_commonest_right_answers() -> None:
    pairs = [Pair("a", "Q?", f"word{i // 2}") for i in range(24)] + [Pair("a", "Q?", "rare")]
    texts = ["the word0!", "word1", "rare", *["nothing"] * 22]
    found = confusions(pairs, texts)
    assert found[:3] == [("word0", "word0"), ("word0", "word1"), ("word1", "other")]
    assert len(found) == 24  # the thirteenth answer is left out


def test_the_files_hold_what_was_judged(tmp_path: Path) -> None:
    write_plots(tmp_path, PAIRS, TEXTS, DETAILS)
    by_type = {
        row["question_type"]: row["exact_match"]
        for row in read_rows(tmp_path / "by_type.csv", ["exact_match"])
    }
    assert by_type == {"all": "0.5", "color": "0.3333", "count": "1.0"}
    confused = [
        (row["actual"], row["predicted"]) for row in read_rows(tmp_path / "confusion.csv", ["actual"])
    ]
    assert confused[:3] == [("red", "red"), ("2", "2"), ("blue", "other")]
