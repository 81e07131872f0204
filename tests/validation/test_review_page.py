"""The page on which people decide on a sample of the pairs; tests/pipeline takes its decisions on."""

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from browser import chromium_page
from vqa.catalogue.images import image_id_of_content
from vqa.core.files import sha256_file
from vqa.pairs.pair import Pair, Support
from vqa.validation.filtering import Rejected
from vqa.validation.review_files import Conflict
from vqa.validation.review_page import stratified, write_review_page

KEPT = [
    *(Pair("a.jpg", f"What color is it, {i}?", "red", "color") for i in range(6)),
    Pair("b.jpg", "How many </script><b>?", "=2", "count"),
]
SUPPORT_LEVELS = [
    Support(support, needs_image=True)
    for support in [*["supported"] * 4, "unchecked", "conflicting", "supported"]
]
REJECTED = [
    Rejected(Pair("ff00.jpg", "What color is it?", "red", "color"), "image_missing", "no file"),
    Rejected(Pair("../x.jpg", "What is <img src=x>?", "<b>lamp</b>", "object"), "image_name", "climbs out"),
]
CONFLICTS = [
    Conflict(("a.jpg", "What shape is it?", "round"), "Round", False, ["ann: accept", "ben: reject"])
]


def said(number: int) -> list[str]:
    return [f"catalogue agrees: <i>{number}</i>"]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (20, 10), "red").save(tmp_path / name)
    path = tmp_path / "review.html"
    write_review_page(
        path, KEPT, SUPPORT_LEVELS, said, REJECTED, CONFLICTS, tmp_path.joinpath, count=20, seed=0
    )
    return path


def test_a_sample_has_each_stratum_by_its_share_and_at_least_once() -> None:
    items = [f"common{i}" for i in range(90)] + [f"rare{i}" for i in range(9)] + ["only"]
    drawn = stratified(items, lambda item: item.rstrip("0123456789"), str, 20, seed=0)
    assert Counter(item.rstrip("0123456789") for item in drawn) == {"common": 18, "rare": 2, "only": 1}
    assert stratified(items[::-1], lambda item: item.rstrip("0123456789"), str, 20, seed=0) == drawn
    assert stratified(items, lambda item: item.rstrip("0123456789"), str, 20, seed=1) != drawn


def test_each_image_is_in_the_page_once_and_none_that_is_not_there(page: Path) -> None:
    assert page.read_text().count("data:image/jpeg") == 2


def test_another_sample_has_another_identity(tmp_path: Path) -> None:
    pages = []
    for kept in (KEPT, KEPT, KEPT[1:]):
        support_levels, place = SUPPORT_LEVELS[-len(kept) :], tmp_path / "page.html"
        write_review_page(place, kept, support_levels, said, [], [], tmp_path.joinpath, 20, seed=0)
        pages.append((tmp_path / "page.html").read_text())
    assert pages[0] == pages[1]
    identities = [html.split("(sample <code>")[1].split("<")[0] for html in pages]
    assert identities[0] != identities[2]
    assert len(identities[0]) == 12


def test_no_pair_becomes_markup(page: Path) -> None:
    assert page.read_text().count("</script>") == 2
    with chromium_page() as browser:
        browser.goto(page.as_uri())
        browser.get_by_label("Show").select_option("count")
        assert browser.locator("#question").inner_text() == "How many </script><b>?"
        assert browser.locator("#image").evaluate("image => image.naturalWidth") == 20
        browser.get_by_role("tab", name="Rejected").click()
        browser.get_by_label("Show").select_option("image_name")
        assert browser.locator("#question").inner_text() == "What is <img src=x>?"
        assert browser.locator("#answer").inner_text() == "<b>lamp</b>"
        assert browser.locator("main img").count() == 1


def test_it_serves_phones_filters_and_assistive_tools(page: Path) -> None:
    with chromium_page(width=390, height=800) as browser:
        browser.goto(page.as_uri())
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390
        browser.get_by_label("Show").select_option("color")
        assert "color" in browser.locator("#kind").inner_text()
        assert browser.locator("#place").inner_text() == "1 of 6"
        browser.get_by_role("tab", name="Rejected").click()
        assert browser.get_by_role("tab", name="Rejected").get_attribute("aria-selected") == "true"
        browser.get_by_label("Show").select_option("image_missing")
        assert browser.locator("#reason").inner_text() == "image_missing: no file"
        assert browser.get_by_role("progressbar", name="Progress").count() == 1
        browser.get_by_role("button", name="Reject").click()
        assert browser.locator("#count").inner_text() == "1 of 1 reviewed"


@pytest.mark.parametrize("size", [(420, 660), (420, 800), (1280, 900)])
def test_answer_and_buttons_are_in_sight_without_scrolling(page: Path, size: tuple[int, int]) -> None:
    width, height = size
    Image.new("RGB", (600, 900), "red").save(page.parent / "a.jpg")  # higher than it is wide
    write_review_page(page, KEPT, SUPPORT_LEVELS, said, REJECTED, CONFLICTS, page.parent.joinpath, 20, seed=0)
    with chromium_page(width, height) as browser:
        browser.goto(page.as_uri())
        in_sight = (
            "all => all.map(x => x.getBoundingClientRect()).every(r => r.top >= 0 && r.height > 0 && %s)"
        )
        inside = f"r.bottom <= {height} && r.right <= {width}"
        for name in ("#image", "#question", "#answer", "#decisions button"):
            assert browser.locator(name).evaluate_all(in_sight % inside), name
        assert browser.locator("#decisions button").count() == 4
        tops = browser.locator("#decisions button").evaluate_all(
            "all => all.map(x => x.getBoundingClientRect().top)"
        )
        assert len(set(tops)) == 1  # in one row


def test_an_image_that_is_not_there_is_said_and_leaves_no_empty_box(page: Path) -> None:
    with chromium_page() as browser:
        browser.goto(page.as_uri())
        assert browser.locator("#image").is_visible()
        browser.get_by_role("tab", name="Rejected").click()
        browser.get_by_label("Show").select_option("image_missing")
        assert browser.locator("#kind").inner_text() == "color · ff00.jpg · no image to show"
        assert browser.locator("#image").is_hidden()


def test_the_disputed_come_first_with_what_was_said_of_them(page: Path) -> None:
    with chromium_page() as browser:
        browser.goto(page.as_uri())
        assert browser.locator("#support").inner_text() == "Label checks: conflicting"
        assert browser.locator("#votes li").all_inner_texts() == ["catalogue agrees: <i>5</i>"]
        browser.get_by_label("Support level").select_option("supported")
        assert browser.locator("#place").inner_text() == "1 of 5"
        assert browser.locator("#support").inner_text() == "Label checks: supported"
        browser.get_by_role("tab", name="Rejected").click()
        assert browser.locator("#support").inner_text() == ""
        assert browser.locator("#votes li").count() == 0


def test_decisions_are_downloaded_as_rows_that_no_spreadsheet_runs(page: Path) -> None:
    with chromium_page() as browser:
        browser.goto(page.as_uri())
        browser.get_by_label("Show").select_option("count")
        browser.get_by_role("button", name="Correct").click()
        browser.get_by_label("Right answer, one word").fill("three")
        browser.keyboard.press("Enter")
        with browser.expect_download() as download:
            browser.get_by_role("button", name="Download").click()
        (row,) = csv.DictReader(io.StringIO(download.value.path().read_text()))
    assert (row["question"], row["list"]) == ("How many </script><b>?", "kept")
    assert (row["answer"], row["decision"], row["corrected_answer"]) == ("'=2", "correct", "three")


def test_who_allows_no_script_is_told(page: Path) -> None:
    with chromium_page(is_scripted=False) as browser:
        browser.goto(page.as_uri())
        assert "allow JavaScript" in browser.locator("noscript").inner_text()


def test_a_second_right_answer_and_a_conflict_are_decided_on_by_name(page: Path) -> None:
    with chromium_page() as browser:
        browser.goto(page.as_uri())
        browser.get_by_label("Your name").fill("Ann")
        browser.get_by_label("Show").select_option("count")
        browser.keyboard.press("Escape")
        browser.get_by_role("button", name="Also right").click()
        browser.get_by_label("Second right answer, one word").fill("three")
        browser.keyboard.press("Enter")
        assert browser.locator("#said").inner_text() == "also right: three"
        browser.get_by_role("tab", name="Conflicts (1)").click()
        assert browser.locator("#votes li").all_inner_texts() == ["ann: accept", "ben: reject"]
        browser.get_by_role("button", name="Reject").click()
        with browser.expect_download() as download:
            browser.get_by_role("button", name="Download").click()
        path = download.value.path()
        first, second = csv.DictReader(io.StringIO(path.read_text()))
    assert (first["decision"], first["corrected_answer"], first["reviewer"]) == ("also right", "three", "Ann")
    assert first["image_sha256"] == image_id_of_content(sha256_file(page.parent / "b.jpg"))
    assert (second["decision"], second["list"], second["answer"]) == ("reject", "rejected", "Round")


def test_a_page_without_conflicts_shows_none(tmp_path: Path) -> None:
    write_review_page(
        tmp_path / "page.html", KEPT, SUPPORT_LEVELS, said, [], [], tmp_path.joinpath, 20, seed=0
    )
    with chromium_page() as browser:
        browser.goto((tmp_path / "page.html").as_uri())
        assert browser.locator("#tab-conflicts").is_hidden()
