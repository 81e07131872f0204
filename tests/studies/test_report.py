"""A study as Markdown and as a page."""

import json
import re
from pathlib import Path

import pytest

from browser import chromium_page
from paths import ROOT
from studies import GRID, RESULTS, of, record, study
from vqa.cli.study import load_study
from vqa.overlays import read_yaml
from vqa.pages.page import page
from vqa.studies.curve import curve
from vqa.studies.grid import Grid, read_grid
from vqa.studies.report import markdown, seeds_section, shown, told_apart
from vqa.studies.results import read_record


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]


def test_a_study_of_prompts_is_a_table_that_no_prompt_breaks() -> None:
    prompt = "Red | blue?\n{question}"
    grid = Grid("prompt", "Which words?", {"model.prompt": [prompt]})
    text = markdown([study([of({"model.prompt": prompt})], grid, "drawn")])
    assert re.search(r"^\| Red \\\| blue\? \{question\} +\| 50\.0% \[47\.0, 53\.0\] ", text, re.MULTILINE)


def test_the_report_says_the_same_as_text_and_as_a_page(tmp_path: Path) -> None:
    ours = study(RESULTS, GRID, curve(RESULTS, "rank"))
    text = markdown([ours])
    assert "\n## Rank and targets\n" in text
    row = [
        "8",
        "attention+mlp",
        "70.0% [67.0, 73.0]",
        "1.4 (2)",
        "-2.0 [-4.0, +0.0] ≈",
        "65.0%",
        "8,000",
        "100",
    ]
    assert row in cells(text)
    (tmp_path / "ablation.html").write_text(page("ablation.html", shown([ours])))
    with chromium_page() as browser:
        browser.goto((tmp_path / "ablation.html").as_uri())
        rows = browser.locator("tbody tr")
        assert rows.count() == 4
        assert browser.locator("h2").inner_text() == "Rank and targets"
        assert browser.locator("li").inner_text() == f"Rank and targets: {told_apart(ours)}."
        assert browser.locator("img").evaluate("image => image.naturalWidth") > 0
        browser.get_by_role("button", name="exact match").click()
        assert rows.first.inner_text().split("\t")[2].startswith("70.0%")
        browser.get_by_role("button", name="exact match").click()
        assert rows.first.inner_text().split("\t")[2].startswith("61.0%")


@pytest.mark.parametrize(
    ("reports", "metrics"), [("results/studies", "metrics"), ("results/studies/photos", "results/photos")]
)
def test_the_committed_report_is_what_the_committed_answers_say(reports: str, metrics: str) -> None:
    params = read_yaml((ROOT / "params.yaml").read_text())
    studies = [
        load_study(read_grid(ROOT / f"configs/studies/{file.stem}.yaml", params), read_record(file))
        for file in sorted((ROOT / reports).glob("*.json"))
    ]
    assert markdown(studies) == (ROOT / reports / "ablation.md").read_text()
    (seeds,) = (study.record for study in studies if study.grid.name == "seeds")
    evaluated = json.loads((ROOT / metrics / "evaluate.json").read_text())
    kept = {
        "baseline": seeds.base,
        "question_only": seeds.question_only,
        "lora": seeds.committed[0],
        "zero_image": seeds.zero_image[0],
    }
    assert {system: round(float(right.mean()), 4) for system, right in kept.items()} == {
        system: evaluated[system]["exact_match"] for system in kept
    }


def test_the_report_says_which_steps_are_within_seed_noise_and_how_many_experiments_ran() -> None:
    grid = Grid("rank", "Why?", {"train.seed": [0, 1], "lora.r": [2, 4, 8, 16]})
    right = {2: ("0000", "1000"), 4: ("1100", "1110"), 8: ("1110", "1100")}
    runs = [({"train.seed": seed, "lora.r": r}, right[r][seed]) for seed in (0, 1) for r in right]
    text = markdown([load_study(grid, record(runs, committed=["1110", "1100"]))])
    assert "6 of 8 experiments ran." in text
    assert "standard deviation is 17.7 points (17.7 to 17.7 by setting)" in text
    assert "closer than 73.9 points are within seed noise" in text
    assert (
        "difference: 3 settings, at least 2 seeds each). Steps within it: rank 2 → 4 (+50.0); rank 4 → 8"
        in text
    )
    assert "on held-out images of data/demo, models/blip2-tiny, mean of the training seeds" in text


@pytest.mark.parametrize(
    ("by_seed", "sentence"),
    [
        ({2: ["0000"], 8: ["1111"]}, "whether these 2 settings can be told apart is not known, for"),
        ({2: ["0000", "0000"], 8: ["1111", "1110"]}, "any two of these 2 settings can be told apart, which"),
        ({2: ["0000", "1111"], 8: ["1111", "1110"]}, "no two of these 2 settings can be told apart, which"),
        ({2: ["0000"] * 3, 4: ["1000"] + ["0000"] * 2, 8: ["1111"] * 3}, "2 of 3 pairs of these 3"),
        ({2: ["0000", "1111"]}, "one setting; what the seed alone moves is 70.7 points"),
        ({2: ["0000"]}, "one setting; what the seed alone moves is not known"),
        ({2: ["0000"] * 2, 8: ["0000"] * 2}, "no two of these 2 settings can be told apart, which"),
    ],
)
def test_the_first_lines_say_whether_the_settings_can_be_told_apart(
    by_seed: dict[int, list[str]], sentence: str
) -> None:
    runs = [
        ({"train.seed": seed, "lora.r": r}, right)
        for r, found in by_seed.items()
        for seed, right in enumerate(found)
    ]
    seeds = list(range(max(map(len, by_seed.values()))))
    grid = Grid("rank", "Why?", {"train.seed": seeds, "lora.r": list(by_seed)})
    ours = load_study(grid, record(runs))
    assert told_apart(ours).startswith(sentence)
    assert markdown([ours]).startswith(f"# Ablations\n\n- **Rank**: {sentence}")


def test_seeds_alone_are_a_table_without_a_curve_and_say_how_often_they_agree() -> None:
    committed = ["1110", "1100", "1100"]
    runs = [({"train.seed": seed}, right) for seed, right in enumerate(committed)]
    grid = Grid("seeds", "Luck?", {"train.seed": [0, 1, 2]})
    ours = load_study(grid, record(runs, committed, {"train.seed": 0}))
    text = markdown([ours])
    assert "![curve]" not in text
    assert ["58.3%", "14.4 (3)", "are these", "50.0%", "10", "100"] in cells(text)
    agreed = (
        "Of 4 questions in 2 groups all 3 seeds answer 50.0% right and 25.0% wrong; two seeds agree on 83.3%."
    )
    assert agreed in text
    section = seeds_section(ours.record)
    assert ["LoRA", "58.3%", "14.4"] in cells(section)
    assert ["zero image", "25.0%", "0.0"] in cells(section)
    assert "Fewer than 30 questions or 20 groups of images are not redrawn: there are no intervals." in text
    leads = {row[0]: row[1] for row in cells(section)[4:7]}
    assert leads == {
        "**LoRA − baseline**": "+33.3",
        "**LoRA − zero image**": "+33.3",
        "**LoRA − question-only prior**": "+33.3",
    }
    assert agreed in section
