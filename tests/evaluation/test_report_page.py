"""The report as people read it: in a browser, with scripts and without."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import chromium_page
from judged import DETAILS, METRICS, PAIRS, SCORES, TEXTS
from vqa.evaluation.data_sets import is_abo
from vqa.evaluation.report_page import report_page
from vqa.scoring.scores import Scores


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """The page about two pictures, of which b.jpg is not there."""
    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.jpg")
    others = {"others": {"vilt": METRICS["blind"]}}
    html = report_page(METRICS | others, DETAILS, PAIRS, TEXTS, SCORES, lambda name: tmp_path / name, True)
    (tmp_path / "report.html").write_text(html)
    return tmp_path / "report.html"


@pytest.mark.parametrize("is_scripted", [True, False])
def test_all_that_was_judged_can_be_read_without_scripts_too(report: Path, is_scripted: bool) -> None:
    with chromium_page(is_scripted=is_scripted) as page:
        page.goto(report.as_uri())
        rows = page.locator("#summary tbody tr").all_inner_texts()
        assert [row.split("\t")[0] for row in rows][-2:] == ["majority per type", "vilt"]
        assert rows[1].split("\t")[1:3] == ["picture and question", "50.0"]
        assert page.locator("#differences tbody tr").first.inner_text().startswith("LoRA − base\t+25.0 [")
        count = page.locator("#bars li").nth(2)
        assert count.locator("span").all_inner_texts() == ["count", "no clear change, n 1"]
        assert count.locator("text").all_text_contents() == ["0.0", "100.0", "0.0"]
        assert page.locator("#bars .axis text").all_text_contents() == ["0", "25", "50", "75", "100"]
        widths = [bar.get_attribute("width") for bar in page.locator("#bars rect").all()]
        assert widths[:3] == ["25.0%", "50.0%", "25.0%"]
        assert page.locator("#frequency tbody tr").all_inner_texts() == ["1–4\t4\t25.0\t50.0"]
        assert page.locator("#confusion tbody tr").count() == 4
        assert page.locator("#reported tbody tr").nth(2).inner_text() == "shape\t0.69 → 0.74\t— → —"
        assert page.locator("#gallery li:visible").count() == 4
        assert page.locator("#filters").is_visible() == is_scripted
        assert page.locator("p.bad").first.inner_text().startswith("too little to tell: 4 test pairs,")


@pytest.mark.parametrize("is_abo", [True, False])
def test_the_technical_report_stands_beside_its_own_pictures_only(report: Path, is_abo: bool) -> None:
    html = report_page(METRICS, DETAILS, PAIRS, TEXTS, SCORES, lambda name: report.parent / name, is_abo)
    assert ("LoRA Fine-Tuned BLIP2 for Visual Question Answering" in html) == is_abo
    assert ("0.69 → 0.74" in html) == is_abo


@pytest.mark.parametrize(
    ("root", "names", "expected"),
    [
        ("data/abo", ["8f5d4670.jpg", "00000000.png"], True),
        ("data/demo", ["8f5d4670.jpg"], False),
        ("data/mine", ["8f5d4670.jpg", "lamp.jpg"], False),
    ],
)
def test_abo_is_known_by_its_names_where_nothing_was_drawn(
    root: str, names: list[str], expected: bool
) -> None:
    assert is_abo(Path(root), names) is expected


def test_answers_that_are_but_some_of_all_are_called_a_sample(report: Path) -> None:
    assert '<p class="muted">All 4.</p>' in report.read_text()
    texts = {system: said * 30 for system, said in TEXTS.items()}
    scores = {
        system: Scores(**{name: np.tile(values, 30) for name, values in vars(of_four).items()})
        for system, of_four in SCORES.items()
    }
    html = report_page(METRICS, DETAILS, PAIRS * 30, texts, scores, lambda name: report.parent / name, False)
    assert "A sample: 100 of 120, the first 40 of each outcome." in html  # 60 gained, 30 lost, 30 both wrong


def test_answers_stand_below_their_picture_which_is_in_the_page_once(report: Path) -> None:
    assert report.read_text().count("data:image/jpeg") == 1
    with chromium_page() as page:
        page.goto(report.as_uri())
        first, second = page.locator("#gallery article").all()
        assert first.locator("img").evaluate("image => image.naturalWidth") == 20
        assert first.locator("li").count() == 2
        assert second.locator("img").count() == 0
        asked = first.locator("li").nth(1).inner_text().split("\n\n")
        assert asked == ["How many <b>? 2", "base: 3 · LoRA: 2 · blind: 3", "gained"]


def test_answers_are_filtered_by_outcome_type_and_text(report: Path) -> None:
    with chromium_page() as page:
        page.goto(report.as_uri())
        shown, count = page.locator("#gallery li:visible"), page.locator("#count")
        page.get_by_label("Outcome").select_option("lost")
        assert (shown.count(), count.inner_text()) == (1, "1 of 4")
        assert page.locator("#gallery article:visible").count() == 1
        page.get_by_label("Outcome").select_option("")
        page.get_by_label("Type", exact=True).select_option("count")
        assert shown.count() == 1
        page.get_by_label("Text", exact=True).fill("TEAL")
        assert count.inner_text() == "0 of 4"


def test_no_cell_becomes_markup(report: Path) -> None:
    assert report.read_text().count("</script>") == 1
    with chromium_page() as page:
        page.goto(report.as_uri())
        assert page.locator("#gallery b").count() == 0
        assert "Which color? </script>" in page.locator("#gallery").inner_text()


@pytest.mark.parametrize("width", [1200, 420])
def test_it_fits_wide_and_narrow_windows(report: Path, width: int) -> None:
    with chromium_page(width=width) as page:
        page.goto(report.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
