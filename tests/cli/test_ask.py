"""Asking an adapted model: arguments, folders, CSVs, kills, bad images."""

import csv
import gzip
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from commands import killed_at, used
from other_adapter import other_adapter
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.inference.answerer import Answerer, Reply
from vqa.inference.questions import questions_about, questions_of_csv, write_answers
from vqa.pairs.pair import read_pairs
from vqa.scoring.calibration import Calibration, write_calibration
from vqa.settings import load_settings

Asking = Callable[..., None]
CPU = torch.device("cpu")


@pytest.fixture
def asking(adapted: Path) -> Asking:
    """Ask with arguments."""
    return lambda *arguments: used("ask", *arguments)


def test_a_csv_is_answered_as_the_evaluation_answered_it(asking: Asking, adapted: Path) -> None:
    root = load_settings().data.root
    asking("--csv", "data/predictions/lora.csv", "--images", root, "--out", "answers.csv")
    asked = read_rows(Path("answers.csv"), ("image_name", "question", "generated_answer", "probability"))
    evaluated = read_rows(Path("data/predictions/lora.csv"), ("generated_answer",))
    assert [row["answer"] for row in asked] == [row["answer"] for row in evaluated]  # other columns stay
    assert [row["generated_answer"] for row in asked] == [
        row["generated_answer"].lower() for row in evaluated
    ]
    assert all(0 < float(row["probability"]) <= 1 for row in asked)
    assert not (adapted / "answers.csv.work").exists()


def test_every_question_is_asked_about_every_image_of_a_folder(
    asking: Asking, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = next((load_settings().data.root / "images/small").iterdir())
    capsys.readouterr()
    asking("--image", folder, "--question", "What color is it?", "How many?", "--top", 3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(list(folder.iterdir()))
    for line in lines:
        probabilities = [float(p) for p in re.findall(r" (\d\.\d\d)", line)]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 1 <= len(probabilities) <= 3


def test_a_bad_image_is_named_and_the_others_are_answered(
    asking: Asking, adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = next(load_settings().data.root.glob("images/small/*/*.jpg"))
    (adapted / "notes.jpg").write_text("not an image")
    rows = [(good, "What?"), ("notes.jpg", "What?"), ("../../etc/passwd", "Who?"), (good.name, "=cmd()")]
    with (adapted / "mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image_name", "question"), *rows])
    (adapted / good.name).write_bytes(good.read_bytes())
    with pytest.raises(SystemExit) as ended:
        asking("--csv", "mine.csv", "--out", "answers.csv")
    assert ended.value.code == 1
    assert re.search(r"error: 3 of 4 questions have no answer \(image_", capsys.readouterr().err)
    answers = read_rows(adapted / "answers.csv", ("problem",))
    assert [bool(row["probability"]) for row in answers] == [False, False, False, True]
    assert answers[1]["problem"].startswith("image_unreadable")
    assert "'=cmd()" in (adapted / "answers.csv").read_text()


def test_files_of_other_endings_in_a_folder_are_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "IMG_1.HEIC", "IMG_2.heic", ".DS_Store"):
        (tmp_path / name).touch()
    asked, _ = questions_about([tmp_path], ["What?"])
    assert [path.name for path, _ in asked] == ["a.jpg"]
    assert "2 files are not read: 2 × .heic (IMG_1.HEIC)" in capsys.readouterr().err
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"holds no image .*; 2 files are not read: 2 × \.heic"):
        questions_about([tmp_path], ["What?"])


def test_a_folder_s_images_are_those_that_are_decoded(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.jfif", "c.avif", "d.pdf", "e.eps", "notes.txt"):
        (tmp_path / name).touch()
    asked, _ = questions_about([tmp_path], ["What?"])
    assert [path.name for path, _ in asked] == ["a.JPG", "b.jfif", "c.avif"]
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"none holds no image \(\.apng \.avif"):
        questions_about([tmp_path / "none"], ["What?"])


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_csv", ["NFC", "NFD"])
def test_accents_in_a_csv_are_found_however_they_are_composed(
    tmp_path: Path, on_disk: Any, in_csv: Any
) -> None:
    (tmp_path / unicodedata.normalize(on_disk, "café.jpg")).touch()
    rows = [unicodedata.normalize(in_csv, "café.jpg"), "x" * 300 + ".jpg"]
    (tmp_path / "mine.csv").write_text("image_name,question\n" + "".join(f"{row},What?\n" for row in rows))
    (found, _), (too_long, _) = questions_of_csv(tmp_path / "mine.csv", tmp_path)[0]
    assert found.is_file()
    assert too_long.name == rows[1]


def test_a_killed_run_goes_on_where_it_was(asking: Asking, adapted: Path) -> None:
    root = load_settings().data.root
    pairs = [pair for split in ("train", "test") for pair in read_pairs(Path(f"data/vqa/{split}.csv"))]
    with (adapted / "mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image_name", "question"), *(pair.key for pair in pairs * 40)])
    arguments = "--csv", "mine.csv", "--images", str(root), "--out", "answers.csv"
    killed_at(["ask", *arguments], r" [1-9]\d*/\d+ \[[^]]*question/s")
    kept = sum(len(path.read_text().splitlines()) for path in Path("answers.csv.work").glob("*/*.jsonl"))
    assert 0 < kept < 40 * len(pairs)
    asking(*arguments)
    resumed = (adapted / "answers.csv").read_bytes()
    asking(*arguments)
    assert (adapted / "answers.csv").read_bytes() == resumed
    assert len(read_rows(adapted / "answers.csv", ())) == 40 * len(pairs)


def test_an_adapter_of_another_model_or_none_is_refused(asking: Asking, adapted: Path) -> None:
    with pytest.raises(SystemExit):
        asking("--image", "x.jpg", "--question", "What?", "--adapter", "nowhere")
    settings = load_settings()
    for file in ("adapter_config.json", "base_model.json"):
        path = adapted / "models/adapter/best" / file
        text = path.read_text().replace(settings.model.name, "Salesforce/blip2-opt-2.7b")
        path.write_text(re.sub(r'("fingerprint": ")\w', r"\g<1>x", text))
    with pytest.raises(InputError, match=r"adapts Salesforce/blip2-opt-2.7b, but params.yaml: model.name is"):
        Answerer(settings, CPU, adapted / "models/adapter/best")


def test_a_damaged_adapter_is_named(
    asking: Asking, adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = adapted / "models/adapter/best/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(SystemExit):
        asking("--image", "x.jpg", "--question", "What?")
    assert re.search(r"error: models/adapter/best is missing or damaged .*; run dvc", capsys.readouterr().err)


def test_a_csv_is_read_however_programs_write_it(tmp_path: Path, catalogue: Path) -> None:
    good = next(catalogue.glob("images/small/*/*.jpg"))
    with gzip.open(catalogue / "images/metadata/images.csv.gz", "rt") as file:
        image_id = next(row["image_id"] for row in csv.DictReader(file) if row["path"].endswith(good.name))
    for text in (
        f",Image Path,Question,,\n0,{good.parent.name}/{good.name},What?,,\n",
        f"sep=;\nimage_name;question;note\n{good.name};What?;a\n",
        f"image_id\tquestion\n{image_id}\tWhat?\n",
    ):
        (tmp_path / "mine.csv").write_text(text)
        asked, rows = questions_of_csv(tmp_path / "mine.csv", catalogue)
        assert asked == [(good, "What?")]
        assert "" not in rows[0]
        write_answers(tmp_path / "answers.csv", rows, [Reply()])
        (answered,) = read_rows(tmp_path / "answers.csv", ("image_name", "generated_answer"))
        assert answered["image_name"].endswith(good.name)
        assert answered["question"] == "What?"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("picture,question\na.jpg,What?\n", "column image_name is missing; its header must have image_name"),
        ("image_path\na.jpg\n", "column question is missing"),
        ("image_name,question\n", "has no rows; it needs at least one question"),
        ('image_name,question\na.jpg,"What?\nb.jpg,Who?\n', "line 2: a quote opens here"),
    ],
)
def test_a_csv_that_asks_nothing_says_why(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InputError, match=rf"mine\.csv.* {sentence}"):
        questions_of_csv(tmp_path / "mine.csv", tmp_path)


def test_an_empty_question_is_named(
    asking: Asking, adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (adapted / "mine.csv").write_text("image_name,question\na.jpg,What?\na.jpg,  \n")
    for given, sentence in (
        (("--csv", "mine.csv"), "mine.csv, row 2: the question is empty"),
        (("--image", "a.jpg", "--question", ""), "--question is empty"),
    ):
        with pytest.raises(SystemExit):
            asking(*given)
        assert sentence in capsys.readouterr().err


def test_answers_with_one_first_word_are_one(adapted: Path) -> None:
    class Twice(Answerer):
        def __init__(self) -> None:
            self._model, self._adapter = self, None  # type: ignore[assignment]
            self._max_new_tokens = 1

        def likeliest_texts(self, *_: object) -> list[list[tuple[str, float]]]:
            return [[("red", 0.4), ("blue", 0.3), ("Red lamp", 0.2)]]

    said = Twice().answers(torch.zeros(1), ["?"], 3)[0]
    assert [answer.word for answer in said] == ["red", "blue"]
    assert said[0].probability == pytest.approx(0.6)


def test_the_wordings_that_the_adapter_was_taught_are_listed(
    asking: Asking, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    asking("--list")
    first, *questions = capsys.readouterr().out.splitlines()
    train = read_pairs(Path("data/vqa/train.csv"))
    assert first.startswith(f"models/adapter/best: trained on {len(train)} questions about ")
    assert questions
    assert set(questions) <= {pair.question for pair in train}


def test_an_adapter_of_another_model_is_asked_with_that_model(
    asking: Asking, adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next(load_settings().data.root.glob("images/small/*/*.jpg"))
    adapter = other_adapter(adapted)
    Path("data/vqa/train.csv").unlink()  # a summary of its pairs lies beside it
    capsys.readouterr()
    asking("--adapter", adapter, "--list")
    _, question, *_ = capsys.readouterr().out.splitlines()
    asking("--adapter", adapter, "--image", image, "--question", question, "--top", 3)
    theirs = capsys.readouterr().out
    asking("--image", image, "--question", question, "--top", 3)
    ours = capsys.readouterr().out
    assert theirs.split("  ")[:2] == ours.split("  ")[:2]
    assert theirs != ours


def test_answers_below_a_probability_are_withheld_and_counted(
    asking: Asking, adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = "--csv", "data/vqa/test.csv", "--images", load_settings().data.root
    write_calibration(Path("models/adapter/best"), Calibration(0.3, None, 40))  # a toy is sure of nothing
    asking(*asked, "--out", "all.csv")
    told = [float(row["probability"]) for row in read_rows(Path("all.csv"), ("probability",))]
    limit = (min(told) + max(told)) / 2  # so that some are above and some below
    assert max(told) - min(told) > 0.01, sorted(told)
    capsys.readouterr()
    asking(*asked, "--out", "sure.csv", "--at-least", f"{limit:.4f}")
    rows = read_rows(Path("sure.csv"), ("generated_answer", "problem"))
    printed = capsys.readouterr()
    unsure = [row for row in rows if row["problem"]]
    assert 0 < len(unsure) < len(rows)
    assert f"{len(unsure)} of {len(rows)} answers are withheld" in printed.out
    assert all(re.search(r"\d\.\d\d is below 0\.", row["problem"]) for row in unsure)
    assert all(float(row["probability"]) >= limit - 1e-4 for row in rows if not row["problem"])


def test_probabilities_are_at_the_temperature_beside_the_adapter(adapted: Path) -> None:
    folder = Path("models/adapter/best")
    image = next(load_settings().data.root.glob("images/small/*/*.jpg"))
    asked = [(image, "What color is it?")]
    found = {}
    for temperature in (1.0, 5.0):
        write_calibration(folder, Calibration(temperature, 0.5, 40))
        (reply,) = Answerer(load_settings(), CPU, folder).replies(asked, 1, 1)
        found[temperature] = reply.answers[0]
    assert found[1.0].word == found[5.0].word
    assert found[5.0].probability < found[1.0].probability
