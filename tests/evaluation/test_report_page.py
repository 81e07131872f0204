"""The report as people read it: in a browser, with scripts and without."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from browser import chromium_page
from evaluated import DETAILS, METRICS, PAIRS, SCORES, TEXTS
from vqa.evaluation.report_page import report_page
from vqa.evaluation.report_summary import Subject, opening_sentence
from vqa.scoring.scores import Scores

SUBJECT = Subject("data/mine", "models/blip2-tiny", date(2026, 11, 30))
Render = Callable[..., str]


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """The page about two images, of which b.jpg is not there; what is named is another than usual."""
    usual: dict[str, Any] = {"metrics": METRICS, "intervals": DETAILS, "pairs": PAIRS, "texts": TEXTS}
    usual |= {"scores": SCORES, "path_of": tmp_path.joinpath, "is_abo": True, "subject": SUBJECT}
    return lambda **others: report_page(**(usual | others))


@pytest.fixture
def report(tmp_path: Path, render: Render) -> Path:
    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.jpg")
    (tmp_path / "report.html").write_text(
        render(metrics=METRICS | {"others": {"vilt": METRICS["zero_image"]}})
    )
    return tmp_path / "report.html"


def unfold(page: Page) -> None:
    """As a reader does, without a script."""
    for summary in page.locator("summary").all():
        summary.click()


def test_it_opens_with_one_sentence_made_of_the_metrics(render: Render) -> None:
    assert f"<h1>{opening_sentence(METRICS)}.</h1>" in render()


def test_the_first_screen_names_data_model_and_date_and_has_the_chart_before_six_cards(report: Path) -> None:
    with chromium_page(width=1280, height=900) as page:
        page.goto(report.as_uri())
        of = page.locator("h1 + p").inner_text()
        assert of.startswith("4 test questions about 2 images of data/mine; model models/blip2-tiny;")
        assert "evaluated on 2026-11-30." in of
        cards = page.locator("#cards li")
        titles = [card.inner_text().split("\n")[:2] for card in cards.all()]
        assert titles[0] == ["+25.0", "points, LoRA − baseline"]
        assert titles[1:3] == [
            ["+25.0", "points, LoRA − zero image"],
            ["+0.0", "points, LoRA − question-only prior"],
        ]
        assert titles[3:5] == [
            ["100.0 %", "best question type: count"],
            ["33.3 %", "weakest question type: color"],
        ]
        assert titles[5] == ["0.500", "BERTScore F1 of the adapter"]
        assert len(titles) == 6
        tops = [page.locator(name).first.evaluate("x => x.getBoundingClientRect().top") for name in ORDER]
        assert tops == sorted(tops)
        assert tops[2] < 900
        assert page.locator("details[open]").count() == 0
        assert page.locator("details table").count() == page.locator("table").count() == 6


ORDER = ("h1", ".bars", "#cards", "details")


@pytest.mark.parametrize("is_scripted", [True, False])
def test_all_that_was_judged_can_be_read_without_scripts_too(report: Path, is_scripted: bool) -> None:
    with chromium_page(is_scripted=is_scripted) as page:
        page.goto(report.as_uri())
        assert page.locator("p.bad").first.inner_text().startswith("too little to tell: 4 test pairs,")
        count = page.locator(".bars li").nth(2)
        assert count.locator("span").all_inner_texts() == ["count", "no clear change, n 1"]
        assert count.locator("text").all_text_contents() == ["0.0", "100.0", "0.0"]
        assert page.locator(".bars .axis text").all_text_contents() == ["0", "25", "50", "75", "100"]
        widths = [bar.get_attribute("width") for bar in page.locator(".bars rect").all()]
        assert widths[:3] == ["25.0%", "50.0%", "25.0%"]
        unfold(page)
        rows = page.locator("#summary tbody tr").all_inner_texts()
        assert [row.split("\t")[0] for row in rows] == [
            *("baseline", "LoRA", "zero image", "shuffled image", "image only", "question-only prior"),
            *("majority", "vilt"),
        ]
        assert rows[1].split("\t")[1].startswith("50.0 [")
        assert page.locator("#differences tbody tr").first.inner_text().startswith("LoRA − baseline\t+25.0 [")
        assert page.locator("#frequency tbody tr").all_inner_texts() == ["1–4\t4\t25.0\t50.0"]
        assert page.locator("#reported tbody tr").nth(2).inner_text() == "shape\t0.69 → 0.74\t— → —"
        assert page.locator("#gallery li:visible").count() == 4
        assert page.locator("#filters").is_visible() == is_scripted


def test_each_system_has_one_name(report: Path) -> None:
    html = report.read_text()
    for other in ("base model", "adapter −", "text-only", "features zeroed", "blind:", "another image"):
        assert other not in html
    with chromium_page() as page:
        page.goto(report.as_uri())
        unfold(page)
        names = page.locator("#systems dt").all_inner_texts()
        assert page.locator("#summary tbody th").all_inner_texts() == [*names, "vilt"]
        assert page.locator("#subsets tbody th").all_inner_texts()[: len(names)] == names


def test_the_confusion_is_shaded_by_the_share_of_its_row(render: Render, tmp_path: Path) -> None:
    texts = TEXTS | {"lora": ["red", "2", "red", ""]}
    (tmp_path / "report.html").write_text(render(texts=texts, pairs=[*PAIRS[:3], PAIRS[0]]))
    with chromium_page() as page:
        page.goto((tmp_path / "report.html").as_uri())
        unfold(page)
        titles = page.locator("#confusion thead th").all_inner_texts()
        assert titles == ["", "2", "blue", "red", "other"]
        blue, red = (page.locator("#confusion tbody tr").nth(row).locator("td") for row in (1, 2))
        assert blue.all_inner_texts() == ["", "", "1", ""]
        assert red.all_inner_texts() == ["", "", "1", "1"]
        shares = [cell.evaluate("x => x.style.getPropertyValue('--share')") for cell in red.all()]
        assert shares == ["0%", "0%", "50%", "50%"]
        assert [cell.get_attribute("class") for cell in red.all()[2:]] == ["number right", "number"]
        colours = {cell.evaluate("x => getComputedStyle(x).backgroundColor") for cell in red.all()}
        assert len(colours) == 3  # none, right by half, wrong by half


def test_question_types_beyond_ten_are_folded(render: Render, tmp_path: Path) -> None:
    def wider(of_key: dict[str, Any]) -> dict[str, Any]:
        return {"all": of_key["all"], **{f"type{i:02}": of_key["color"] for i in range(13)}}

    intervals = DETAILS | {
        what: {key: wider(of) for key, of in DETAILS[what].items()} for what in ("systems", "differences")
    }
    (tmp_path / "report.html").write_text(render(intervals=intervals))
    with chromium_page() as page:
        page.goto((tmp_path / "report.html").as_uri())
        types = page.locator(".bars li:not(.axis)")
        assert page.locator(".bars").first.locator("li:not(.axis)").count() == 11  # all, and ten
        assert types.count() == 14
        assert not types.last.is_visible()
        page.get_by_text("3 more question types").click()
        assert types.last.is_visible()
    assert "more question types" not in render()


@pytest.mark.parametrize("is_abo", [True, False])
def test_the_technical_report_stands_beside_its_own_images_only(render: Render, is_abo: bool) -> None:
    html = render(is_abo=is_abo)
    assert ("LoRA Fine-Tuned BLIP2 for Visual Question Answering" in html) == is_abo
    assert ("0.69 → 0.74" in html) == is_abo


def test_answers_that_are_but_some_of_all_are_called_a_sample(render: Render) -> None:
    assert '<p class="muted">All 4.</p>' in render()
    texts = {system: said * 30 for system, said in TEXTS.items()}
    scores = {
        system: Scores(**{name: np.tile(values, 30) for name, values in vars(of_four).items()})
        for system, of_four in SCORES.items()
    }
    html = render(pairs=PAIRS * 30, texts=texts, scores=scores)
    assert "A sample: 100 of 120, the first 40 of each outcome." in html  # 60 gained, 30 lost, 30 both wrong


def test_answers_stand_below_their_image_which_is_in_the_page_once(report: Path) -> None:
    assert report.read_text().count("data:image/jpeg") == 1
    with chromium_page() as page:
        page.goto(report.as_uri())
        first, second = page.locator("#gallery article").all()
        assert first.locator("img").evaluate("image => image.naturalWidth") == 20
        assert first.locator("li").count() == 2
        assert second.locator("img").count() == 0
        asked = first.locator("li").nth(1).inner_text().split("\n\n")
        assert asked == ["How many <b>? 2", "baseline: 3 · LoRA: 2 · zero image: 3", "gained"]


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


@pytest.mark.parametrize("width", [1280, 420])
def test_it_fits_wide_and_narrow_windows_and_says_where_more_is_hidden(report: Path, width: int) -> None:
    with chromium_page(width=width) as page:
        page.goto(report.as_uri())
        unfold(page)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        tables = page.locator(".scroll")
        hidden = tables.evaluate_all("all => all.map(x => x.scrollWidth > x.clientWidth)")
        is_hinted = "x.previousElementSibling.className === 'slide'"
        assert tables.evaluate_all(f"all => all.map(x => {is_hinted})") == hidden
        assert any(hidden) == (width == 420)
        cut = "x.scrollWidth > x.clientWidth + 1 && !x.closest('.scroll')"
        texts = page.locator("h1, p, li, dd, summary, #cards *")
        assert texts.evaluate_all(f"all => all.filter(x => {cut}).map(x => x.textContent)") == []
