"""A study as Markdown and as a page."""

import re
from pathlib import Path

from browser import chromium_page
from studies import GRID, RESULTS
from vqa.experiments.curve import curve
from vqa.experiments.grid import Grid
from vqa.experiments.report import markdown, shown
from vqa.experiments.results import Result, Study
from vqa.pages.page import page


def test_a_study_of_prompts_is_a_table_that_no_prompt_breaks() -> None:
    prompt = "Red | blue?\n{question}"
    grid = Grid("prompt", "Which words?", {"model.prompt": [prompt]})
    row = Result({"model.prompt": prompt}, 0.5, (0.4, 0.6), 0.0, (0.0, 0.0), 0.5, 10, 1.0)
    text = markdown([Study(grid, [row], "")], "abc1234")
    assert re.search(r"^\| Red \\\| blue\? \{question\} +\| 50\.0% \[40\.0, 60\.0\] ", text, re.MULTILINE)


def test_the_report_says_the_same_as_text_and_as_a_page(tmp_path: Path) -> None:
    study = Study(GRID, RESULTS, curve(RESULTS, "rank"))
    text = markdown([study], "abc1234")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["8", "attention+mlp", "70.0% [67.0, 73.0]", "-2.0 [-4.0, +0.0]", "65.0%", "8,000", "100"] in cells
    (tmp_path / "ablation.html").write_text(page("ablation.html", shown([study])))
    with chromium_page() as browser:
        browser.goto((tmp_path / "ablation.html").as_uri())
        rows = browser.locator("tbody tr")
        assert rows.count() == 4
        assert browser.locator("img").evaluate("image => image.naturalWidth") > 0
        browser.get_by_role("button", name="exact match").click()
        assert rows.first.inner_text().split("\t")[2].startswith("70.0%")
        browser.get_by_role("button", name="exact match").click()
        assert rows.first.inner_text().split("\t")[2].startswith("61.0%")
