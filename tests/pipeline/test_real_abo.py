"""The same pipeline on real ABO listings, images and Gemini pairs, with the embedded model."""

import json
from collections.abc import Callable
from pathlib import Path

import answer_adapted
import answer_base
import cache_features
import evaluate
import generate
import train
import validate
import verify
from paths import ROOT
from vqa.core.csv_tables import read_rows


def run_pipeline() -> dict[str, dict[str, float]]:
    for stage in (generate, validate, verify, cache_features, train, answer_base, answer_adapted, evaluate):
        stage.run()
    metrics: dict[str, dict[str, float]] = json.loads(Path("metrics/evaluate.json").read_text())
    return metrics


def test_listing_attributes_of_real_products_run_to_the_end(
    project: Callable[..., Path], shared: Path
) -> None:
    project(data={"root": str(shared / "abo")}, model={"name": str(ROOT / "models/blip2-tiny")})
    metrics = run_pipeline()
    data = json.loads(Path("metrics/data.json").read_text())
    assert data["kept"] > 900
    assert {"color", "category"} <= set(data["by_type"])
    assert metrics["lora"]["exact_match"] > metrics["baseline"]["exact_match"]


def test_real_gemini_pairs_run_to_the_end(project: Callable[..., Path], shared: Path) -> None:
    pairs = shared / "vqa/abo_sample_gemini_1_5_flash.csv"
    project(
        data={"root": str(shared / "abo")},
        generate={"annotator": "csv", "csv": str(pairs)},
        model={"name": str(ROOT / "models/blip2-tiny")},
        train={"images": 150},
    )
    metrics = run_pipeline()
    data = json.loads(Path("metrics/data.json").read_text())
    assert (data["pairs"], data["kept"]) == (3005, 2971)
    assert sum(split["images"] for split in data["splits"].values()) == 601
    assert metrics["lora"]["exact_match"] > metrics["baseline"]["exact_match"]


def test_rows_whose_image_is_absent_are_rejected_by_name(project: Callable[..., Path], shared: Path) -> None:
    project(
        data={"root": str(shared / "abo")},
        generate={"annotator": "csv", "csv": str(shared / "vqa/report_gemini_1_5_pro.csv")},
    )
    generate.run()
    validate.run()
    data = json.loads(Path("metrics/data.json").read_text())
    assert data["pairs"] == 4985
    assert data["rejected"]["image_missing"] > 1000
    on_disk = {path.name for path in (shared / "abo/images/small").glob("*/*")}
    kept = read_rows(Path("data/vqa/train.csv"), ["image_name"])
    assert {row["image_name"] for row in kept} <= on_disk
    missing = [
        r for r in read_rows(Path("data/vqa/rejected.csv"), ["reason"]) if r["reason"] == "image_missing"
    ]
    assert not {row["image_name"] for row in missing} & on_disk
