"""Evaluation as people look at it: any predictions file, and the report page."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import answer_adapted
import answer_base
import cache_features
import evaluate
import generate
import train
import validate
import verify
from browser import chromium_page
from stages import TO_JUDGED
from vqa.core.csv_tables import read_rows
from vqa.core.errors import InputError
from vqa.core.files import read_json, write_json
from vqa.pairs.pair import read_pairs
from vqa.pairs.predictions import read_predictions, read_texts

Project = Callable[..., Path]


def evaluated(path: Path, other: Path | None, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `--predictions` prints, which must be JSON and nothing else."""
    capsys.readouterr()
    evaluate.main(path, other)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_any_predictions_file_is_scored(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project()
    ours, theirs = Path("ours.csv"), Path("theirs.csv")
    ours.write_text("answer,generated_answer\nred,Red.\ntwo,2\nwood,error\nNA,na\n")
    theirs.write_text("answer,generated_answer\nred,blue\ntwo,2\nwood,\nNA,x\n")
    found = evaluated(ours, None, capsys)
    assert (found["exact_match"], found["n"]) == (0.75, 4)
    both = evaluated(ours, theirs, capsys)
    assert both["against"]["exact_match"] == 0.25
    assert both["delta"]["exact_match"]["value"] == 0.5
    theirs.write_text("answer,generated_answer,question\nred,blue,What?\n")
    with pytest.raises(InputError, match=r"theirs\.csv has other rows than ours\.csv, 1 instead of 4"):
        evaluate.main(ours, theirs)
    theirs.write_text("answer,generated_answer\nred,blue\nthree,2\nwood,\nNA,x\n")
    with pytest.raises(InputError, match=r"row 2 has '3' instead of '2'; both must answer the same"):
        evaluate.main(ours, theirs)
    theirs.write_text("answer,generated\nred,blue\n")
    with pytest.raises(InputError, match="column generated_answer is missing"):
        read_predictions(theirs)


def test_real_faults_of_prediction_files_are_counted_right(
    project: Project, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project()
    folder = shared / "faults/turn3"
    if not folder.is_dir():
        pytest.skip("needs ../shared/faults/turn3, which is not part of the repository")
    padded = evaluated(folder / "duplicate_predictions/padded.csv", None, capsys)
    assert (padded["n"], padded["data"]["rows_repeated"]) == (81, 47)
    assert round(padded["exact_match"], 3) == 0.346
    whole = evaluated(folder / "multiword_labels/two.csv", None, capsys)
    assert (whole["exact_match"], whole["data"]["labels_of_several_words"]) == (1.0, 200)


def test_a_header_without_answers_is_refused_before_an_encoder_is_loaded(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    Path("theirs.csv").write_text("answer,said\nred,blue\n")
    monkeypatch.setattr(evaluate, "cpu_scorer", pytest.fail)
    with pytest.raises(InputError, match="column generated_answer is missing"):
        evaluate.main(Path("theirs.csv"), None)
    with pytest.raises(InputError, match="--column reply=… is not known; it can be image_name"):
        evaluate.main(Path("theirs.csv"), None, ["reply=said"])


def test_what_the_report_s_numbers_hold_is_what_its_answers_give(
    project: Project, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project(evaluate={"bootstrap_draws": 10000})
    files = [shared / f"predictions/blip2_opt_{name}.csv" for name in ("lora", "zero_shot")]
    found = evaluated(files[0], files[1], capsys)
    text = (Path(evaluate.__file__).parents[1] / "docs/related_work.md").read_text()
    for system, title in (("against", "zero-shot"), ("predictions", "LoRA")):
        scores = found[system]
        line = next(line for line in text.splitlines() if line.startswith(f"| {title} |"))
        said_exact, said_bert = re.findall(r"[\d.]+", line)[:2]
        assert f"{scores['exact_match']:.1%}" == f"{said_exact}%"
        # Shown to three digits; where the fourth is near 5, a processor's own rounding decides the third.
        assert float(said_bert) == pytest.approx(scores["bert_score_f1"], abs=6e-4)
    low, high = found["delta"]["exact_match"]["low"], found["delta"]["exact_match"]["high"]
    assert f"[{100 * low:+.1f}, {100 * high:+.1f}]" in text
    for path, share in zip(files, re.findall(r"\| (\d\.\d)% \|$", text, re.MULTILINE)[::-1], strict=True):
        rows = path.read_text().splitlines()[1:]
        assert f"{100 * sum(row.endswith(',error') for row in rows) / len(rows):.1f}" == share


def test_a_second_right_answer_counts_as_right_in_evaluate(project: Project) -> None:
    project(decoding={"constrained": True})  # the toy model's own answers are empty
    for stage in (generate, validate, verify, cache_features, train, answer_base, answer_adapted, evaluate):
        stage.run()
    before = read_json(Path("metrics/evaluate.json"))
    assert before["data"]["test_pairs_with_second_answer"] == 0
    pairs = read_pairs(Path("data/vqa/test.csv"))
    texts = read_texts(Path("data/predictions/lora.csv"), pairs, "answer_adapted")
    said = {pair.key: text for pair, text in zip(pairs, texts, strict=True)}
    wrong = next(pair for pair in pairs if said[pair.key] != pair.answer)
    decision = [*wrong.key, wrong.answer, "also right", said[wrong.key], "2026-11-01T10:00:00Z"]
    header = "image_name,question,answer,decision,corrected_answer,decided_at"
    Path("data/review").mkdir(exist_ok=True)
    with Path("data/review/ann.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), decision])
    for stage in (validate, answer_base, answer_adapted, evaluate):
        stage.run()
    after = read_json(Path("metrics/evaluate.json"))
    assert after["data"]["test_pairs_with_second_answer"] == 1
    right = [round(scores["lora"]["exact_match"] * len(pairs)) for scores in (before, after)]
    assert right[1] == right[0] + 1


def test_the_page_shows_filters_and_cannot_be_broken_out_of(project: Project) -> None:
    project(data={"licence": "abo"})  # beside which the technical report's figures stand
    generate.run()
    generated = Path("data/vqa/generated.csv")
    lines = generated.read_text().splitlines(keepends=True)
    generated.write_text("".join([lines[0], *(line.replace("?", "</script><b>?", 1) for line in lines[1:])]))
    for stage in (validate, verify, cache_features, train, answer_base, answer_adapted, evaluate):
        stage.run()
    metrics = read_json(Path("metrics/evaluate.json"))
    assert Path("metrics/report.html").read_text().count("</script>") == 1
    with chromium_page() as page:
        page.goto(Path("metrics/report.html").absolute().as_uri())
        for summary in page.locator("summary").all():
            summary.click()
        for table in ("summary", "differences", "frequency", "confusion", "reported"):
            assert page.locator(f"#{table} tr").count() >= 2
        assert f"{100 * metrics['baseline']['exact_match']:.1f}" in page.locator("#summary").inner_text()
        assert page.locator(".bars rect").count() == 3 * (1 + len(metrics["baseline"]["by_type"]))
        everything = page.locator("#gallery li:visible").count()
        assert everything > 10
        assert "</script><b>?" in page.locator("#gallery").inner_text()
        assert page.locator("#gallery b").count() == 0
        assert page.locator("#gallery img").count() == page.locator("#gallery article").count()
        page.get_by_label("Type", exact=True).select_option("color")
        shown = page.locator("#gallery li:visible").count()
        assert 0 < shown < everything
        page.get_by_label("Text", exact=True).fill("no such words")
        assert page.locator("#count").inner_text().startswith("0 of ")
        assert page.locator("#gallery article:visible").count() == 0


def test_the_base_s_answers_must_be_of_the_test_split(tmp_path: Path) -> None:
    header = "image_name,question,answer,generated_answer,generated_text,question_type\n"
    (tmp_path / "baseline.csv").write_text(header + "a.jpg,Q?,red,red,red,color\n")
    with pytest.raises(
        InputError, match="answers other pairs than the test split; run dvc repro --force answer_base"
    ):
        read_texts(tmp_path / "baseline.csv", [], "answer_base")


def test_only_training_answers_are_said_when_asked_for(project: Project) -> None:
    project(decoding={"constrained": True})
    for stage in (generate, validate, verify, cache_features, train, answer_base, answer_adapted, evaluate):
        stage.run()
    known = {row.answer for row in read_pairs(Path("data/vqa/train.csv"))}
    for path in Path("data/predictions").glob("*.csv"):
        said = {row["generated_text"] for row in read_rows(path, ["generated_text"])}
        assert said <= known
        assert said


def write_split(split: str, *rows: str) -> None:
    header = "image_name,question,answer,question_type,difficulty,source,split_group"
    Path("data/vqa").mkdir(parents=True, exist_ok=True)
    Path(f"data/vqa/{split}.csv").write_text("\n".join([header, *rows, ""]))


def test_an_image_that_is_trained_on_and_tested_is_refused(project: Project) -> None:
    project()
    write_split("train", "a.jpg,Q?,red,,,,a.jpg", "b.jpg,Q?,red,,,,b.jpg")
    write_split("test", "b.jpg,R?,red,,,,b.jpg")
    with pytest.raises(
        InputError, match=r"1 images are in .*train\.csv and in .*test\.csv \(b\.jpg\): no answer"
    ):
        evaluate.run()
    write_split("test", "c.jpg,R?,red,,,,b.jpg")
    with pytest.raises(InputError, match=r"1 groups of images are in .* \(b\.jpg\)"):
        evaluate.run()


def test_what_is_missing_is_named_before_anything_is_scored(project: Project) -> None:
    project()
    write_split("train", "a.jpg,Q?,red,,,,a.jpg")
    write_split("test", "b.jpg,R?,red,,,,b.jpg")
    with pytest.raises(
        InputError, match=r"models/adapter/best holds no adapter; run dvc repro train, or dvc"
    ):
        evaluate.run()


def test_a_page_without_images_is_told_of(
    project_after: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a machine to which DVC brought the answers, and nothing the images."""
    top = project_after(TO_JUDGED)
    params = read_json(top / "params.yaml")
    params["data"]["root"] = "elsewhere"
    write_json(top / "params.yaml", params)
    evaluate.run()
    assert "elsewhere, data.root, is not on this machine: metrics/report.html shows no images" in (
        capsys.readouterr().out
    )
