"""Every template: what it is given stays text, and it reaches for nothing elsewhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from vqa.pages import page as module
from vqa.pages.page import page

TEMPLATES = sorted(Path(module.__file__).parent.glob("*.j2"))
EMPTY: dict[str, Any] = {"identity": "", "kept": [], "rejected": [], "images": {}}
TEXTS = st.text() | st.sampled_from(
    ["</script>", "<!--<script>", "]]>", "\u2028", "&lt;", "{{ data }}", "{% raw %}"]
)


def study(text: str) -> dict[str, Any]:
    return {
        "title": text,
        "told_apart": text,
        "why": text,
        "curve": f"data:{text}",
        "titles": [text],
        "rows": [[text]],
        "sentences": [text],
    }


def ablation(text: str) -> str:
    return page("ablation.html", {"studies": [study(text)], "within": text, "subject": text})


@given(st.dictionaries(TEXTS, TEXTS | st.integers() | st.none() | st.lists(TEXTS)))
def test_what_a_script_reads_is_what_was_given_and_closes_no_element(data: dict[str, Any]) -> None:
    html = page("review.html", {"data": EMPTY | data})
    assert html.count("</script>") == 2
    content = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert content is not None
    assert json.loads(content[1]) == EMPTY | data
    assert "<" not in content[1]


@given(TEXTS)
def test_texts_become_no_markup(text: str) -> None:
    assert re.findall(r"</?\w+", ablation(text)) == re.findall(r"</?\w+", ablation("plain"))
    models = [
        {"adapter": word, "model": word, "taught": word, "questions": [word], "at_least": None}
        for word in (text, "plain")
    ]
    served, plain = (
        page("serve.html", {"models": [model], "wanted": 0.8, "examples": []}) for model in models
    )
    assert re.findall(r"</?\w+", served) == re.findall(r"</?\w+", plain)


def test_a_card_keeps_its_texts_as_they_are() -> None:
    names = "kind metadata base commit max_new_tokens pairs images results by_type family licence settings"
    values: dict[str, Any] = {name: name for name in names.split()}
    values |= {
        "is_drawn": True,
        "images_licence": None,
        "is_blip2": True,
        "data": {},
        "versions": {},
        "num_beams": 1,
    }
    values |= {"has_template": False, "is_encoder_decoder": False, "revision": None}
    values |= {"dtype": "float32", "check": "20 of 20 test questions answered as by the pipeline"}
    card = page("card.md", values | {"prompt": "<b> & 'you'"})
    assert "`<b> & 'you'`" in card


@pytest.mark.parametrize("name", ["review.html", "report.html", "ablation.html", "serve.html", "card.md"])
def test_a_value_that_is_missing_is_an_error(name: str) -> None:
    with pytest.raises(UndefinedError):
        page(name, {})


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_nothing_comes_from_elsewhere(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"https?:|@import|<link|<script src", text)


def test_every_page_takes_over_the_policy_that_forbids_it() -> None:
    base = (Path(module.__file__).parent / "base.html.j2").read_text()
    assert "Content-Security-Policy" in base
    assert "default-src 'none'" in base
    pages = [template for template in TEMPLATES if "<script" in template.read_text()]
    assert len(pages) == 4
    for template in pages:
        assert template.read_text().startswith('{% extends "base.html.j2" %}')
