"""Tasks for Label Studio, and what it exported of such tasks: label_studio_export.json is its own (1.23.2),
but for the images' data. Six tasks were imported, and four decided on; one was skipped, one left open.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vqa.cli.label_studio import COLUMNS, labeling_interface, read_export, task_for_pair
from vqa.core.csv_tables import write_rows
from vqa.core.errors import InputError
from vqa.pairs.pair import Pair
from vqa.validation.review import KINDS as DECISIONS
from vqa.validation.review_files import read_decisions

EXPORT = Path(__file__).with_name("label_studio_export.json")


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Callable[[list[Any]], object]], Path]:
    """The export after a change."""

    def change(edit: Callable[[list[Any]], object]) -> Path:
        tasks = json.loads(EXPORT.read_text())
        edit(tasks)
        path = tmp_path / "export.json"
        path.write_text(json.dumps(tasks))
        return path

    return change


def decide(task: Any, decision: str, answer: str) -> None:
    values = {result["from_name"]: result["value"] for result in task["annotations"][0]["result"]}
    values["decision"]["choices"], values["answer"]["text"] = [decision], [answer]


def test_a_task_predicts_the_answer_and_no_decision() -> None:
    pair = Pair("aa1.jpg", "What color is it?", "navy", "color")
    assert task_for_pair(pair, "conflicting", "data:image/jpeg;base64,AA", "c628e825a67f", "gemini") == {
        "data": {
            "image_name": "aa1.jpg",
            "image_sha256": "c628e825a67f",
            "question": "What color is it?",
            "answer": "navy",
            "question_type": "color",
            "list": "kept",
            "image": "data:image/jpeg;base64,AA",
            "checks": "conflicting",
        },
        "predictions": [
            {
                "model_version": "gemini",
                "result": [
                    {
                        "from_name": "answer",
                        "to_name": "image",
                        "type": "textarea",
                        "value": {"text": ["navy"]},
                    }
                ],
            }
        ],
    }


def test_a_task_has_the_fields_that_an_export_gives_back() -> None:
    ours = task_for_pair(Pair("a.jpg", "What?", "red"), "", "data:", "c6", "csv")
    theirs = json.loads(EXPORT.read_text())[0]
    assert ours["data"].keys() == theirs["data"].keys()
    ((prediction,), annotation) = ours["predictions"], theirs["annotations"][0]
    assert prediction["result"][0].items() >= {"from_name": "answer", "to_name": "image"}.items()
    assert annotation["prediction"]["result"][0].keys() == prediction["result"][0].keys()
    interface = labeling_interface(DECISIONS)
    for name in ("image", "decision", "answer"):
        assert f'name="{name}"' in interface
    for field in ("image", "question", "checks"):
        assert f'"${field}"' in interface
        assert field in theirs["data"]


def test_an_export_becomes_rows_of_data_review() -> None:
    export = read_export(EXPORT, DECISIONS)
    assert [row["decision"] for row in export.rows] == ["accept", "reject", "correct", "accept"]
    assert export.rows[2] == {
        "image_name": json.loads(EXPORT.read_text())[2]["data"]["image_name"],
        "image_sha256": json.loads(EXPORT.read_text())[2]["data"]["image_sha256"],
        "question": "Name the main color of the tray.",
        "answer": "pink",
        "question_type": "color",
        "list": "kept",
        "decision": "correct",
        "corrected_answer": "velvet",
        "reviewer": "user 1",
        "decided_at": "2026-11-29T23:26:53.223253Z",
    }
    assert all(tuple(row) == COLUMNS for row in export.rows)
    assert [row["corrected_answer"] for row in export.rows] == ["", "", "velvet", ""]
    assert (export.skipped, export.open) == (1, 1)


def test_its_rows_are_read_as_the_review_page_s(changed: Callable[..., Path], tmp_path: Path) -> None:
    path = changed(lambda tasks: decide(tasks[0], "also right", "glass"))
    (tmp_path / "review").mkdir()
    write_rows(tmp_path / "review/export.csv", COLUMNS, read_export(path, DECISIONS).rows)
    found = list(read_decisions(tmp_path / "review").values())
    assert [decision.kind for decision in found] == ["also right", "reject", "correct", "accept"]
    assert (found[0].answer, found[0].also_right) == ("mirror", ("glass",))
    assert found[2].answer == "velvet"


def test_a_reviewer_is_named_where_the_export_names_one(changed: Callable[..., Path]) -> None:
    path = changed(
        lambda tasks: tasks[0]["annotations"][0].update(completed_by={"id": 7, "email": "ada@b.c"})
    )
    assert read_export(path, DECISIONS).rows[0]["reviewer"] == "ada@b.c"


@pytest.mark.parametrize(
    ("decision", "answer", "problem"),
    [
        ("accept", "teal", "task 3: accept, but the answer is 'teal' now; mend it in Label Studio"),
        ("reject", "teal", "task 3: reject, but the answer is 'teal' now"),
        ("correct", "Pink", "task 3: correct, but the answer is still 'pink'"),
        ("correct", "", "task 3: correct, but the answer is still 'pink'"),
        ("correct", "light pink", "task 3: correct, but the answer 'light pink' is not one word"),
        ("also right", "pink", "task 3: also right, but the answer is still 'pink'"),
        (
            "perhaps",
            "pink",
            "task 3: its decision is perhaps, not one of accept, reject, correct",
        ),
    ],
)
def test_a_decision_that_does_not_hold_is_named_by_its_task(
    changed: Callable[..., Path], decision: str, answer: str, problem: str
) -> None:
    path = changed(lambda tasks: decide(tasks[2], decision, answer))
    with pytest.raises(InputError, match=problem):
        read_export(path, DECISIONS)


def test_an_annotation_without_a_decision_is_named(changed: Callable[..., Path]) -> None:
    path = changed(lambda tasks: tasks[2]["annotations"][0].update(result=[]))
    with pytest.raises(InputError, match="task 3: its decision is missing, not one of"):
        read_export(path, DECISIONS)


def test_other_files_and_other_projects_are_refused(changed: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "min.json").write_text('[{"id": 1, "decision": "accept", "image": "data:"}]')
    with pytest.raises(
        InputError, match=r"min\.json is no JSON export of Label Studio .* not JSON-MIN or CSV"
    ):
        read_export(tmp_path / "min.json", DECISIONS)
    (tmp_path / "min.csv").write_text("id,decision\n1,accept\n")
    with pytest.raises(InputError, match="is no JSON export of Label Studio"):
        read_export(tmp_path / "min.csv", DECISIONS)
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        read_export(tmp_path / "none.json", DECISIONS)
    path = changed(lambda tasks: tasks[1]["data"].pop("image_sha256"))
    with pytest.raises(
        InputError, match="task 2: its data has no image_sha256; export the project whose tasks"
    ):
        read_export(path, DECISIONS)
