"""What is kept of a grid's runs."""

from pathlib import Path

import numpy as np
import pytest

from studies import record
from vqa.core.errors import InputError
from vqa.studies.results import exact_matches, read_questions, read_record, write_record

TEST = """image_name,question,answer,split_group
c.jpg,How many?,2,a.jpg
b.jpg,What?,lamp,b.jpg
a.jpg,What?,vase,a.jpg
"""


def test_questions_are_sorted_by_the_group_that_the_split_file_names() -> None:
    found = read_questions(TEST)
    assert found.keys == [("a.jpg", "What?"), ("c.jpg", "How many?"), ("b.jpg", "What?")]
    assert found.groups == {"a.jpg": 2, "b.jpg": 1}
    without = "\n".join(line.rpartition(",")[0] for line in TEST.splitlines())
    assert read_questions(without).groups == {"a.jpg": 1, "b.jpg": 1, "c.jpg": 1}


def test_exact_matches_are_of_normal_forms_in_the_order_of_the_questions() -> None:
    rows = "image_name,question,answer,generated_answer\n"
    answers = "a.jpg,What?,vase,bowl\nb.jpg,What?,lamp,\nc.jpg,How many?,2,Two\n"
    assert exact_matches(rows + answers, read_questions(TEST), "HEAD").tolist() == [False, True, False]
    with pytest.raises(InputError, match="abc1234 answers other test pairs than the commit"):
        exact_matches(rows + answers.replace("What?", "Which?", 1), read_questions(TEST), "abc1234")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = record([({"train.seed": 1, "lora.targets": ["mlp"]}, "0101")], committed=["1111", "0110"])
    write_record(tmp_path / "mine.json", written)
    assert '"right": "50"' in (tmp_path / "mine.json").read_text()
    found = read_record(tmp_path / "mine.json")
    for name in ("commit", "catalogue", "model", "settings", "groups"):
        assert getattr(found, name) == getattr(written, name)
    assert found.runs[0].changes == written.runs[0].changes
    np.testing.assert_array_equal(found.runs[0].right, written.runs[0].right)
    np.testing.assert_array_equal(found.base, written.base)
    np.testing.assert_array_equal(found.question_only, written.question_only)
    for name in ("committed", "zero_image"):
        by_seed = [
            {seed: right.tolist() for seed, right in getattr(kept, name).items()} for kept in (found, written)
        ]
        assert by_seed[0] == by_seed[1]
    with pytest.raises(InputError, match=r"other.json is missing; python src study report"):
        read_record(tmp_path / "other.json")
    (tmp_path / "old.json").write_text(
        '{"commit": "abc1234", "groups": {}, "settings": {}, "base": "", "runs": []}'
    )
    with pytest.raises(InputError, match=r"old.json lacks catalogue, .*: another version wrote it; remove"):
        read_record(tmp_path / "old.json")
