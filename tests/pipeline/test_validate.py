"""The validate stage on files as people have them, and the review page as people use it."""

import csv
import gzip
import io
import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

import generate
import validate
import verify
from browser import chromium_page
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import read_json
from vqa.pairs.pair import read_pairs
from vqa.validation.declared_splits import read_splits

Project = Callable[..., Path]
METRICS = Path("metrics/data.json")
GENERATED = Path("data/vqa/generated.csv")


@pytest.fixture
def generated(project: Project) -> Path:
    """A project whose pairs were generated from the drawn catalogue."""
    folder = project(verify={"review_pairs": 40})
    generate.run()
    return folder


def test_data_json_says_what_a_data_scientist_asks(generated: Path) -> None:
    validate.run()
    metrics = read_json(METRICS)
    assert metrics["kept"] + sum(metrics["rejected"].values()) == metrics["pairs"]
    assert sum(metrics["by_type"].values()) == metrics["kept"]
    assert sum(split["images"] for split in metrics["splits"].values()) == 30
    assert metrics["pairs_per_image"]["max"] <= 5
    assert metrics["types"] == {"pairs": metrics["pairs"], "agreement": 1.0}  # our own wordings
    assert metrics["labels"]["questions_asked_twice"] == 0
    lines = metrics["lines"]
    assert lines["generated"]["parsed"] == metrics["pairs"] == lines["generated"]["total"] - 1
    assert "csv" not in lines


def test_label_noise_is_estimated_from_questions_asked_twice(generated: Path) -> None:
    name = read_pairs(GENERATED)[0].image_name
    with GENERATED.open("a") as file:
        for answers in (("x", "x"), ("x", "y"), ("y", "y"), ("z", "z")):
            question = f"What is thing number {answers} of it?".replace(",", "")
            file.writelines(f"{name},{question},{answer},,,\n" for answer in answers)
    validate.run()
    labels = read_json(METRICS)["labels"]
    assert labels["questions_asked_twice"] == 4
    assert labels["agreement"] == 0.75
    assert labels["estimated_label_noise"] == pytest.approx(1 - 0.75**0.5, abs=1e-4)


def test_more_rows_move_no_image_and_decode_none_again(
    generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = GENERATED.read_text().splitlines(keepends=True)
    GENERATED.write_text("".join(rows[:100]))
    validate.run()
    before = read_splits(Path("data/vqa/splits.json"))[1]
    memory = Path("data/vqa/images.jsonl").read_text()
    GENERATED.write_text(rows[0] + "".join(reversed(rows[1:])))
    validate.run()
    after = read_splits(Path("data/vqa/splits.json"))[1]
    assert len(after) == 30 > len(before)
    assert {image: after[image] for image in before} == before
    assert set(memory.splitlines()) < set(Path("data/vqa/images.jsonl").read_text().splitlines())
    monkeypatch.setattr("vqa.validation.image_checks.inspect", None)  # an image decoded now would raise
    validate.run()


def test_a_killed_run_leaves_images_that_the_next_one_knows(generated: Path) -> None:
    validate.run()
    memory = Path("data/vqa/images.jsonl")
    whole = memory.read_text()
    memory.write_text(whole[: len(whole) // 2])  # a line is torn
    validate.run()
    assert memory.read_text() == whole


def test_malformed_rows_are_counted_with_their_line_from_csv_to_rejects(
    project: Project, catalogue: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in (catalogue / "images/small").glob("*/*"))
    good = [f"{name},What color is it?,c{name[:8]},B{i}" for i, name in enumerate(names)]
    lines = ["image_path , Question,answer,asin", *good[:3], "a.jpg,What, is it?,x,y", *good[3:]]
    (tmp_path / "mine.csv").write_text(
        "\n".join([*lines, "../../etc/passwd,What is it?,x,B", "=cmd,What?,x,"])
    )
    project(generate={"annotator": "csv", "csv": "mine.csv"})
    generate.run()
    validate.run()
    assert read_json(METRICS)["rejected"] == {"bad_image_name": 2, "unreadable_row": 1}
    rejected = {
        row["reason"] + row["image_name"]: row for row in read_rows(Path("data/vqa/rejected.csv"), [])
    }
    assert rejected["unreadable_row"]["detail"].startswith("line 5: 5 cells where the header has 4")
    assert "bad_image_name../../etc/passwd" in rejected
    assert "\n'=cmd," in Path("data/vqa/rejected.csv").read_text()
    assert {row["asin"] for row in read_rows(Path("data/vqa/train.csv"), ["asin"])} <= {
        f"B{i}" for i in range(30)
    }


def test_each_line_of_a_csv_is_judged_or_rejected_though_a_quote_swallows_rows(
    project: Project, catalogue: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in (catalogue / "images/small").glob("*/*"))
    rows = [f"{name},What color is it?,c{name[:8]}\n" for name in names]
    rows[3] = f'{names[3]},"What color is it?,red\n'
    rows[4] = f'{names[4]},"What color\nis it?",c{names[4][:8]}\n'
    rows[20] = f'{names[20]},How long is the 12",lamp\n'
    text = "sep=,\nimage_name,question,answer\n\n" + "".join(rows)
    (tmp_path / "mine.csv").write_text(text)
    project(generate={"annotator": "csv", "csv": "mine.csv"})
    generate.run()
    validate.run()
    metrics = read_json(METRICS)
    lines = {"total": 34, "header": 2, "blank": 1, "parsed": 30, "unreadable": 1, "rows": 29}
    assert metrics["lines"]["csv"] == lines
    assert metrics["lines"]["generated"] == lines | {"total": 32, "header": 1, "blank": 0}
    assert metrics["pairs"] == metrics["kept"] + sum(metrics["rejected"].values()) == 30
    assert metrics["rejected"]["unreadable_row"] == 1
    (unreadable,) = [r for r in read_rows(Path("data/vqa/rejected.csv"), []) if r["unreadable_row"]]
    assert unreadable["detail"].startswith(
        "line 7: a quote opens here and never closes in this row; close it"
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(),
        st.lists(st.lists(st.text(max_size=8), max_size=5).map(",".join), max_size=8).map(
            lambda rows: "\n".join(["image_name,question,answer", *rows])
        ),
    )
)
def test_any_csv_validates_or_fails_with_one_sentence(generated: Path, text: str) -> None:
    GENERATED.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        validate.run()
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        assert str(GENERATED) in str(error)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=1, max_size=6))
def test_whatever_rows_stand_below_good_ones_each_is_kept_or_has_a_reason(
    generated: Path, rows: list[tuple[str, str, str]]
) -> None:
    good = generated / "good.csv"
    if not good.exists():
        good.write_bytes(GENERATED.read_bytes())
    text = io.StringIO(newline="")
    csv.writer(text).writerows((*row, "", "", "") for row in rows)
    GENERATED.write_text(good.read_text() + text.getvalue(), encoding="utf-8", newline="")
    validate.run()
    metrics = read_json(METRICS)
    assert metrics["kept"] >= 140
    assert metrics["kept"] + sum(metrics["rejected"].values()) == metrics["pairs"]
    total, *parts, rows = metrics["lines"]["generated"].values()
    with GENERATED.open(encoding="utf-8", newline="") as file:
        assert total == sum(parts) == sum(1 for _ in file)
    assert rows == metrics["pairs"] - metrics["rejected"].get("unreadable_row", 0)


def test_ten_items_reviewed_by_keyboard_change_the_next_run(generated: Path) -> None:
    validate.run()
    verify.run()
    before = read_json(METRICS)
    with chromium_page() as page:
        page.goto(Path("data/vqa/review.html").absolute().as_uri())
        answered = [pressed(page, key) for key in "aaaarraaac"]
        page.keyboard.type("teal")
        page.keyboard.press("Enter")
        assert page.locator("#count").inner_text().startswith("10 of ")
        page.reload()  # nothing is lost
        assert page.locator("#count").inner_text().startswith("10 of ")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        download.value.save_as("data/review/" + download.value.suggested_filename)
    assert Path("data/review/review.csv").is_file()
    validate.run()
    verify.run()
    after = read_json(METRICS)
    assert after["rejected"]["rejected_by_review"] == 2
    assert after["kept"] == before["kept"] - 2
    assert after["review"]["acceptance"] == 0.7
    low, high = after["review"]["acceptance_low"], after["review"]["acceptance_high"]
    assert low < 0.7 < high
    review = read_json(Path("metrics/verify.json"))["review"]
    assert review["accepted"]["supported"]["accepted"] == 0.7  # as the pairs stood before the review
    assert review["accepted"]["supported"]["reviewed"] == review["label_noise"]["reviewed"] == 10
    low, high = review["label_noise"]["low"], review["label_noise"]["high"]
    assert low < 0.3 < high
    kept = {
        (pair.image_name, pair.question): pair.answer
        for split in ("train", "val", "test")
        for pair in read_pairs(Path(f"data/vqa/{split}.csv"))
    }
    assert kept[answered[-1]] == "teal"
    assert answered[4] not in kept
    assert answered[5] not in kept


def pressed(page: Page, key: str) -> tuple[str, str]:
    """Press a key; the image and question that it was pressed on."""
    shown = page.locator("#kind").inner_text().split(" · ")[1], page.locator("#question").inner_text()
    page.keyboard.press(key)
    return shown


def test_data_json_says_what_splits_rest_on(
    project: Project, catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(catalogue, tmp_path / "mine"))
    project(data={"root": str(root)})
    generate.run()
    validate.run()
    protection = read_json(METRICS)["leak_protection"]
    nothing = {"with_unknown_images": 0, "tying_images": 0, "images_on_none": 0}
    assert protection["listings"] == {"read": 30} | nothing  # one image a drawn product
    assert protection["images_model_was_made_with"] is None  # the toy does not say

    shards = sorted((root / "listings/metadata").iterdir())
    lines = [line for path in shards for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    first, second, third, *_ = (json.loads(line)["main_image_id"] for line in lines)
    for path in shards:
        path.unlink()
    tie = {"main_image_id": first, "other_image_id": [second, "lost"]}
    (root / "listings/metadata/listings_0.json").write_text(
        f"{json.dumps(tie)}\n{json.dumps({'main_image_id': third})}\n"
    )
    Path("data/vqa/splits.json").unlink()
    capsys.readouterr()
    validate.run()
    protection = read_json(METRICS)["leak_protection"]
    found = {"read": 2, "with_unknown_images": 1, "tying_images": 1, "images_on_none": 27}
    assert protection["listings"] == found
    assert "27 images are on none of the 2 listings found" in capsys.readouterr().out

    shutil.rmtree(root / "listings")
    (root / "abo-listings.tar").touch()
    validate.run()
    assert read_json(METRICS)["leak_protection"]["listings"] is None
    said = capsys.readouterr().out
    assert f"{root} has no listings: only duplicates and near duplicates keep" in said
    assert "too little to tell: " in said  # of thirty images
    assert f"would lie in {root}/listings/metadata; abo-listings.tar is not read, unpack it there\n" in said


def test_splits_that_would_rest_on_no_listing_at_all_are_not_made(
    project: Project, catalogue: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(catalogue, tmp_path / "mine"))
    project(data={"root": str(root)})
    generate.run()
    for path in (root / "listings/metadata").iterdir():
        path.rename(path.with_name(f"products{path.name[-9:]}"))
    with pytest.raises(InputError, match=r"listings holds no listings_\*\.json\.gz"):
        validate.run()
    (root / "listings/metadata/listings_0.json").write_text('{"main_image_id": "lost"}\n')
    with pytest.raises(
        InputError, match=r"none of its 1 listings names one of the 30 images in use \(1 have"
    ):
        validate.run()
    assert not Path("data/vqa/splits.json").exists()


def test_a_file_of_decisions_that_would_be_passed_over_is_named(generated: Path) -> None:
    Path("data/review").mkdir()
    for name in ("README.md", ".gitkeep"):
        Path("data/review", name).touch()
    decided = "image_name,question,answer,decision,corrected_answer\ngone.jpg,q,a,accept,\n"
    Path("data/review/REVIEW.CSV").write_text(decided)
    validate.run()
    assert read_json(METRICS)["review"]["decisions"] == {"accept": 1}
    Path("data/review/review.csv.txt").write_text(decided)
    with pytest.raises(InputError, match=r"review\.csv\.txt would not be read; name it \.csv"):
        validate.run()


def test_images_with_names_of_their_owners_are_learnt_from(
    project: Project, catalogue: Path, tmp_path: Path
) -> None:
    given = "lamp (1).jpg|men's shoe.jpg|a & b.jpg|x@2x.jpg|#1.jpg|=x.jfif|cafe\u0301.jpg|élan.jpg".split("|")
    root = tmp_path / "mine"
    for name, path in zip(given, sorted((catalogue / "images/small").glob("*/*")), strict=False):
        file = root / "images/small" / name[:2] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, file)
    with (tmp_path / "mine.csv").open("w", newline="") as table:
        rows = [(unicodedata.normalize("NFD", name), "What is it?", f"c{i}") for i, name in enumerate(given)]
        csv.writer(table).writerows([("image_name", "question", "answer"), *rows])
    project(
        data={"root": str(root)},
        generate={"annotator": "csv", "csv": "mine.csv"},
        validate={"val_share": 0.2},
    )
    generate.run()
    validate.run()
    kept = [
        pair.image_name
        for split in ("train", "val", "test")
        for pair in read_pairs(Path(f"data/vqa/{split}.csv"))
    ]
    assert sorted(kept) == sorted(unicodedata.normalize("NFC", name) for name in given)


def test_a_decision_that_is_none_is_named(generated: Path) -> None:
    Path("data/review").mkdir()
    header = "image_name,question,answer,decision,corrected_answer\n"
    Path("data/review/review.csv").write_text(header + "a.jpg,q,a,maybe,\n")
    with pytest.raises(InputError, match=r"review\.csv, row 1: decision is 'maybe'"):
        validate.run()
    Path("data/review/review.csv").write_text(header + "gone.jpg,q,a,accept,\n")
    validate.run()
    assert json.loads(METRICS.read_text())["review"]["decisions_on_absent_pairs"] == 1
