"""CSV files that went in silently wrong: small ones made here, and the same faults at length in ../shared."""

import csv
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import generate
import validate
from paths import SHARED
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import read_json
from vqa.pairs.answer_normalization import training_form
from vqa.pairs.pair import Pair, read_pairs
from vqa.validation.image_checks import image_id
from vqa.validation.review_files import read_reviews

Project = Callable[..., Path]
METRICS, REJECTED = Path("metrics/data.json"), Path("data/vqa/rejected.csv")


def faults(name: str) -> Path:
    """A file of ../shared/faults/turn3."""
    path = SHARED / "faults/turn3" / name
    if not path.is_file():
        pytest.skip(f"needs ../shared/faults/turn3/{name}, which is not part of the repository")
    return path


def draw_images(root: Path, names: Iterable[str]) -> None:
    """An image of noise under each of the names, no two alike, in ABO's layout."""
    for seed, name in enumerate(dict.fromkeys(names)):
        path = root / "images/small" / name[:2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)


def validate_csv(project: Project, path: Path, **limits: object) -> None:
    """Run generate and validate on a CSV, beside images that are drawn for its names."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = [row["image_name"] for row in csv.DictReader(file)]
    project(data={"root": "mine"}, generate={"annotator": "csv", "csv": str(path.resolve())}, validate=limits)
    draw_images(Path("mine"), names)
    generate.run()
    validate.run()


def kept() -> list[Pair]:
    return [pair for split in ("train", "val", "test") for pair in read_pairs(Path(f"data/vqa/{split}.csv"))]


def write_csv(path: Path, columns: str, rows: Iterable[Iterable[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns.split(","), *rows])
    return path


WORDS = "red green blue black white pink gold tan teal olive".split()


def good_rows(count: int = 30) -> list[list[str]]:
    return [[f"{i:08x}.jpg", "What color is it?", f"{WORDS[i % 10]}{i}"] for i in range(count)]


def test_what_programs_write_for_nothing_is_taught_to_nobody(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [
        "N/A",
        "#N/A",
        "nan",
        "null",
        "n/a",
        "#REF!",
        "#NAME?",
        "undefined",
        "TRUE",
        "04-Mar",
        "1,5",
        "none",
    ]
    rows = [["00000001.jpg", f"What is the color of part {i} of it?", text] for i, text in enumerate(said)]
    columns = "image_name,question,answer"
    validate_csv(project, write_csv(tmp_path / "in.csv", columns, good_rows() + rows))
    metrics = read_json(METRICS)
    assert metrics["rejected"] == {"no_information": 8, "spreadsheet_value": 3}
    assert metrics["spreadsheet_values"] == {"truth_value": 1, "date": 1, "decimal_comma": 1}
    assert {pair.answer for pair in kept()} - {row[2] for row in good_rows()} == {"none"}
    out = capsys.readouterr().out
    assert (
        "a spreadsheet changed 3 answers (1 × truth value such as 'TRUE', 1 × date such as '04-Mar', " in out
    )


def test_the_missing_words_of_a_real_file_are_rejected(project: Project, tmp_path: Path) -> None:
    rows = read_rows(faults("missing_words/answers.csv"), ())
    mine = [[row["image_name"], row["question"], row["answer"]] for row in rows]
    path = write_csv(tmp_path / "in.csv", "image_name,question,answer", good_rows() + mine)
    validate_csv(project, path)
    assert len(kept()) == 30
    assert read_json(METRICS)["spreadsheet_values"] == {"truth_value": 4, "date": 4}
    reasons = {row["answer"]: row["reason"] for row in read_rows(REJECTED, ())}
    assert {reasons[text] for text in ("N/A", "nan", "#REF!", "undefined")} == {"no_information"}


def test_a_letter_beside_options_is_taught_as_the_options_text(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [[name, question, "x", answer, "y", "B"] for name, question, answer in good_rows()]
    columns = "image_name,question,option_a,option_b,option_c,answer"
    validate_csv(project, write_csv(tmp_path / "in.csv", columns, rows))
    assert {pair.answer for pair in kept()} == {answer for _, _, answer in good_rows()}
    assert "in.csv: 30 answers are letters: the text of the option in option_a to" in capsys.readouterr().out


def test_no_letter_of_a_real_file_of_choices_is_taught(project: Project) -> None:
    path = faults("multiple_choice/pairs.csv")
    texts = {
        (row["image_name"], row["question"]): row[f"option_{row['answer'].lower()}"]
        for row in read_rows(path, ())
    }
    validate_csv(project, path)
    taught = kept()
    assert len(taught) > len(texts) / 2
    assert [pair for pair in taught if training_form(texts[pair.key]) != pair.answer] == []


def split_rows(count: int = 40) -> list[list[str]]:
    """Every fourth image is the file's own test, one of ten its val."""
    splits = ["Test", "train", "train", "training", "test", "train", "dev", "train"]
    return [[*row, splits[i % len(splits)]] for i, row in enumerate(good_rows(count))]


OWN = {"Test": "test", "test": "test", "dev": "val", "train": "train", "training": "train"}


def test_a_column_of_splits_is_kept_where_asked_for_and_else_said(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = split_rows()
    path = write_csv(tmp_path / "in.csv", "image_name,question,answer,Split", rows)
    validate_csv(project, path)
    trained_on = {pair.image_name for pair in read_pairs(Path("data/vqa/train.csv"))}
    lost = sum(OWN[row[3]] == "test" and row[0] in trained_on for row in rows)
    assert lost > 0
    assert read_json(METRICS)["leak_protection"]["own_test_pairs_trained_on"] == lost
    assert (
        f"column Split, which is not used: {lost} of its 10 test pairs are trained on"
        in capsys.readouterr().out
    )

    validate_csv(project, path, splits="column")
    assert "generated.csv: column Split says which split each image is in" in capsys.readouterr().out
    for split in ("train", "val", "test"):
        names = {pair.image_name for pair in read_pairs(Path(f"data/vqa/{split}.csv"))}
        assert names == {row[0] for row in rows if OWN[row[3]] == split}
    assert "own_test_pairs_trained_on" not in read_json(METRICS)["leak_protection"]
    validate_csv(project, path)  # drawn again, not as the column was remembered
    assert {pair.image_name for pair in read_pairs(Path("data/vqa/train.csv"))} == trained_on


def test_images_that_a_column_of_splits_tears_apart_are_left_out_of_training(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = split_rows()
    copy = ["copy.jpg", "What color is it?", "bluish", "train"]  # of the first image, which is test
    torn = [rows[0][0], "Is it small or large?", "small", "train"]
    path = write_csv(tmp_path / "in.csv", "image_name,question,answer,split", [*rows, copy, torn])
    project(
        data={"root": "mine"},
        generate={"annotator": "csv", "csv": str(path)},
        validate={"splits": "column"},
    )
    draw_images(Path("mine"), [row[0] for row in rows])
    folder = Path("mine/images/small")
    (folder / "co").mkdir()
    shutil.copy(folder / rows[0][0][:2] / rows[0][0], folder / "co/copy.jpg")
    generate.run()
    validate.run()
    details = {(r["image_name"], r["answer"]): r["detail"] for r in read_rows(REJECTED, ())}
    assert details == {
        ("copy.jpg", "bluish"): "declared train, but linked to an image declared test",
        (rows[0][0], "small"): "declared train, but another row declares its image test",
    }
    assert read_json(METRICS)["leak_protection"]["left_out_across_splits"] == 2
    assert "2 pairs are left out: their images belong together" in capsys.readouterr().out


def test_a_column_of_train_and_test_has_val_drawn_from_train(project: Project, tmp_path: Path) -> None:
    rows = [[*row[:3], "test" if OWN[row[3]] == "test" else "train"] for row in split_rows()]
    path = write_csv(tmp_path / "in.csv", "image_name,question,answer,split", rows)
    validate_csv(project, path, splits="column", val_share=0.3)
    by_split = {
        s: {p.image_name for p in read_pairs(Path(f"data/vqa/{s}.csv"))} for s in ("train", "val", "test")
    }
    assert by_split["test"] == {row[0] for row in rows if row[3] == "test"}
    assert 2 <= len(by_split["val"]) <= 18


@pytest.mark.parametrize(
    ("column", "cell", "sentence"),
    [
        ("split", "holdout", r"generated\.csv, row 41: split is 'holdout'; write train, val or test"),
        ("asin", "B1", r"validate\.splits is column, but .*generated\.csv has no column that names splits"),
    ],
)
def test_splits_that_cannot_be_kept_are_refused(
    project: Project, tmp_path: Path, column: str, cell: str, sentence: str
) -> None:
    rows = [*split_rows(), ["ff.jpg", "What color is it?", "red", cell]]
    path = write_csv(tmp_path / "in.csv", f"image_name,question,answer,{column}", rows)
    with pytest.raises(InputError, match=sentence):
        validate_csv(project, path, splits="column")


def test_the_test_split_of_a_real_file_is_kept(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    path = faults("split_column/pairs.csv")
    held_out = {row["image_name"] for row in read_rows(path, ()) if row["split"] == "test"}
    validate_csv(project, path)
    trained_on = [pair for pair in read_pairs(Path("data/vqa/train.csv")) if pair.image_name in held_out]
    assert f"{len(trained_on)} of its 5 test pairs are trained on" in capsys.readouterr().out
    assert trained_on
    validate_csv(project, path, splits="column")
    assert {pair.image_name for pair in read_pairs(Path("data/vqa/test.csv"))} <= held_out
    assert held_out.isdisjoint(pair.image_name for pair in read_pairs(Path("data/vqa/train.csv")))


def test_images_that_changed_under_labels_and_reviews_are_named(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = good_rows()
    validate_csv(project, write_csv(tmp_path / "in.csv", "image_name,question,answer", rows))
    validate.run()
    assert "images have changed" not in capsys.readouterr().out
    first, second, third = (row[0] for row in rows[:3])
    old = {name: image_id(Path("mine"), name) for name in (first, second)}
    columns = "image_name,question,answer,decision,corrected_answer,decided_at,image_sha256"
    Path("data/review").mkdir(exist_ok=True)
    decided = [[*rows[0], "reject", "", "2026-11-01", old[first]], [*rows[2], "reject", "", "2026-11-01", ""]]
    write_csv(Path("data/review/ann.csv"), columns, decided)
    validate.run()
    assert read_json(METRICS)["rejected"] == {"rejected_by_review": 2}
    capsys.readouterr()

    folder = Path("mine/images/small/00")
    for seed, name in enumerate((first, second, third)):  # others of the same names, with older times
        noise = np.random.default_rng(100 + seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
        os.utime(folder / name, (1_000_000, 1_000_000))
    validate.run()
    said = capsys.readouterr().out
    assert (
        f"3 images have changed since the last run ({first}, {second}, {third}): 3 pairs and 1 decisions"
        in said
    )
    assert f"1 decisions do not count: their images have changed since ({first})" in said
    metrics = read_json(METRICS)
    assert metrics["review"]["decisions_on_other_images"] == 1
    assert metrics["rejected"] == {"rejected_by_review": 1}  # the one that names no image


def test_a_second_right_answer_travels_to_the_test_split(project: Project, tmp_path: Path) -> None:
    rows = good_rows()
    validate_csv(project, write_csv(tmp_path / "in.csv", "image_name,question,answer", rows))
    test = read_pairs(Path("data/vqa/test.csv"))
    assert test[0].also_right == ()
    Path("data/review").mkdir(exist_ok=True)
    decision = [*test[0].key, test[0].answer, "also right", "Grey", "2026-11-01T10:00:00Z"]
    columns = "image_name,question,answer,decision,corrected_answer,decided_at"
    write_csv(Path("data/review/ann.csv"), columns, [decision])
    validate.run()
    assert [pair.also_right for pair in read_pairs(Path("data/vqa/test.csv")) if pair.also_right] == [
        ("gray",)
    ]
    review = read_json(METRICS)["review"]
    assert (review["decisions"], review["second_right_answers"]) == ({"also_right": 1}, 1)


def test_images_that_are_not_there_are_named_with_where_they_are_looked_for(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_csv(tmp_path / "in.csv", "image_name,question,answer", good_rows())
    validate_csv(project, path)
    (Path("mine/images/small/00") / good_rows()[4][0]).unlink()
    capsys.readouterr()
    validate.run()
    said = capsys.readouterr().out
    assert "1 pairs name images that are not there: no file mine/images/small/00/00000004.jpg; " in said
    assert "python src import pairs.csv --images FOLDER" in said
    shutil.rmtree("mine/images/small")
    with pytest.raises(InputError, match=r"no pair is left for the train split.* --images FOLDER"):
        validate.run()


def test_the_later_word_of_two_spreadsheets_holds_and_conflicts_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "review"
    folder.mkdir()
    for name in ("ann", "ben"):
        shutil.copy(faults(f"spreadsheet_review/{name}.csv"), folder)
    reviews = read_reviews(folder)
    assert {decision.kind for decision in reviews.decisions.values()} == {"reject"}
    assert (reviews.counts()["conflicts"], reviews.counts()["reviewers"]) == (20, 2)
