"""A sample of the pairs out to Label Studio, and people's decisions back into the next `validate`."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import generate
import validate
from commands import used
from vqa.cli.label_studio import reviews
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import read_json
from vqa.pairs.pair import SPLITS


@pytest.fixture
def validated(project: Callable[..., Path]) -> Path:
    folder = project(verify={"review_pairs": 12})
    generate.run()
    validate.run()
    return folder


def annotated(tasks: list[Any], decision: str, answer: str | None = None) -> list[Any]:
    """The tasks as Label Studio exports them, decided on: fields as in its own export, which lies beside."""
    export = []
    for number, task in enumerate(tasks, start=1):
        text = answer or task["data"]["answer"]
        result = [
            {
                "from_name": "decision",
                "to_name": "image",
                "type": "choices",
                "value": {"choices": [decision]},
            },
            {"from_name": "answer", "to_name": "image", "type": "textarea", "value": {"text": [text]}},
        ]
        annotation = {"id": number, "completed_by": 1, "result": result, "was_cancelled": False}
        annotation["updated_at"] = "2026-11-29T23:26:53.223253Z"
        export.append({"id": number, "data": task["data"], "annotations": [annotation]})
    return export


def test_what_people_decide_there_beats_the_rules_here(
    validated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used("label_studio", "tasks")
    tasks = json.loads((validated / "data/label_studio/tasks.json").read_text())
    types = Counter(task["data"]["question_type"] for task in tasks)
    assert 8 <= len(tasks) <= 16
    assert len(types) > 2
    assert all(task["data"]["image"].startswith("data:image/jpeg;base64,") for task in tasks)
    export = [*annotated(tasks[:2], "reject"), *annotated(tasks[2:4], "correct", "velvet")]
    (validated / "mine.json").write_text(json.dumps(export))
    capsys.readouterr()
    used("label_studio", "reviews", "mine.json")
    assert "wrote 4 decisions to data/review/mine.csv (0 were skipped there, 0 tasks are still open)" in (
        capsys.readouterr().out
    )
    validate.run()
    kept = {
        (row["image_name"], row["question"]): row["answer"]
        for split in SPLITS
        for row in read_rows(validated / f"data/vqa/{split}.csv", ("question",))
    }
    places = [(task["data"]["image_name"], task["data"]["question"]) for task in tasks]
    assert [kept.get(place) for place in places[:4]] == [None, None, "velvet", "velvet"]
    assert read_json(validated / "metrics/data.json")["review"]["reviewed"] == 4


def test_a_file_of_decisions_that_is_there_is_not_overwritten(validated: Path) -> None:
    used("label_studio", "tasks", "--count", "3")
    tasks = json.loads((validated / "data/label_studio/tasks.json").read_text())
    (validated / "mine.json").write_text(json.dumps(annotated(tasks, "accept")))
    used("label_studio", "reviews", "mine.json")
    before = (validated / "data/review/mine.csv").read_bytes()
    with pytest.raises(SystemExit):
        used("label_studio", "reviews", "mine.json")
    assert (validated / "data/review/mine.csv").read_bytes() == before


def test_a_folder_with_other_things_in_it_is_not_replaced(validated: Path) -> None:
    used("label_studio", "tasks", "--count", "3")
    used("label_studio", "tasks", "--count", "4")
    with pytest.raises(SystemExit):
        used("label_studio", "tasks", "--out", "data")
    assert (validated / "data/vqa/train.csv").is_file()


def test_an_export_without_decisions_writes_no_file(validated: Path) -> None:
    (validated / "mine.json").write_text("[]")
    with pytest.raises(InputError, match=r"mine\.json holds no decision; submit some tasks"):
        reviews(Path("mine.json"))
    assert not (validated / "data/review/mine.csv").exists()
