"""The verify stage on a drawn project with wrong labels: what training and the page make of them."""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import generate
import validate
import verify
from failing import fails
from vqa.core.csv_tables import read_rows
from vqa.core.files import read_json
from vqa.pairs.pair import Pair, read_pairs, read_support, without_left_out, write_pairs
from vqa.settings import load_settings

Project = Callable[..., Path]
GENERATED = Path("data/vqa/generated.csv")
TRAIN = Path("data/vqa/train.csv")
SUPPORT_LEVELS = Path("data/vqa/support.csv")
OUTS = (SUPPORT_LEVELS, verify.NOT_TRAINED_ON, verify.METRICS)


def corrupted(rows: list[Pair]) -> tuple[list[Pair], set[tuple[str, str]]]:
    """Every third pair about a shape says "heart", which nothing in the drawn catalogue has."""
    of_shape = [row.key for row in rows if row.question_type == "shape"][::3]
    return [replace(row, answer="heart") if row.key in of_shape else row for row in rows], set(of_shape)


@pytest.mark.parametrize(
    ("support_levels", "is_left_out"), [("all", False), ("not_conflicting", True), ("supported", True)]
)
def test_wrong_labels_are_disputed_and_left_out_where_training_says_so(
    project: Project, support_levels: str, is_left_out: bool
) -> None:
    project(verify={"train_on": support_levels})
    generate.run()
    rows, wrong = corrupted(read_pairs(GENERATED))
    write_pairs(GENERATED, rows)
    validate.run()
    verify.run()
    found = {(row["image_name"], row["question"]): row for row in read_rows(SUPPORT_LEVELS, [])}
    assert len(found) == len(rows)
    assert {key for key, row in found.items() if row["support"] == "conflicting"} == wrong
    assert all(found[key]["catalogue"] == "contradicts" for key in wrong)
    train = read_pairs(TRAIN)
    trusted = without_left_out(verify.NOT_TRAINED_ON, train)
    assert {pair.key for pair in train} - {pair.key for pair in trusted} == (
        {pair.key for pair in train} & wrong if is_left_out else set()
    )
    metrics = read_json(verify.METRICS)
    assert metrics["n"] == len(rows)
    assert metrics["conflicting"] == pytest.approx(len(wrong) / len(rows), abs=1e-4)
    assert metrics["by_type"]["shape"]["conflicting"] > metrics["by_type"]["color"]["conflicting"] == 0
    page = Path("data/vqa/review.html").read_text()
    assert "catalogue contradicts: shape: " in page


def test_a_second_run_and_other_rows_order_change_no_byte(project: Project) -> None:
    project()
    generate.run()
    validate.run()
    verify.run()
    before = [path.read_bytes() for path in OUTS]
    header, *rows = GENERATED.read_text().splitlines(keepends=True)
    GENERATED.write_text(header + "".join(reversed(rows)))
    verify.run()
    assert [path.read_bytes() for path in OUTS] == before


def test_images_without_listings_leave_every_pair_unknown(
    project: Project, catalogue: Path, tmp_path: Path
) -> None:
    root = tmp_path / "mine"
    (root / "images").mkdir(parents=True)
    (root / "images/small").symlink_to(catalogue / "images/small")
    names = sorted(path.name for path in (root / "images/small").glob("*/*"))
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("image_name", "question", "answer"),
                *((name, "What color is it?", f"c{name[:8]}") for name in names),
            ]
        )
    project(data={"root": str(root)}, generate={"annotator": "csv", "csv": str(tmp_path / "mine.csv")})
    generate.run()
    validate.run()
    verify.run()
    kept = [pair for path in verify.PAIRS.values() for pair in read_pairs(path)]
    assert Counter(support.support for support in read_support(SUPPORT_LEVELS, kept)) == {
        "unchecked": len(kept)
    }


def test_a_tree_that_is_not_there_is_refused_and_no_pair_becomes_unchecked(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a machine to which DVC brought the outputs, and the file that stands for the tree."""
    project()
    generate.run()
    validate.run()
    before = SUPPORT_LEVELS.exists()
    project(data={"root": "elsewhere"})
    assert "data.root is 'elsewhere', but there is no such folder" in fails(verify.run, capsys)
    assert SUPPORT_LEVELS.exists() is before is False


def test_the_committed_settings_train_on_all() -> None:
    assert load_settings(Path(__file__).parents[2] / "params.yaml").verify.train_on == "all"
