"""The image of a study."""

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from studies import RESULTS, of
from vqa.studies.curve import curve
from vqa.studies.grid import Value, label
from vqa.studies.results import Result

SVG = "{http://www.w3.org/2000/svg}"


def groups(drawn: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """The parts of an image that matplotlib numbers under a name, without those of the axes."""
    axes = drawn.find(f".//{SVG}g[@id='axes_1']")
    assert axes is not None
    return [part for part in axes.findall(f"{SVG}g") if part.attrib["id"].startswith(name)]


def texts(drawn: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in drawn.iter(f"{SVG}text")]


def points(drawn: ElementTree.Element) -> list[tuple[float, float]]:
    """Where the markers stand, line by line."""
    return [
        (float(use.attrib["x"]), float(use.attrib["y"]))
        for line in groups(drawn, "line2d")
        for use in line.iter(f"{SVG}use")
    ]


def of_values(key: str, values: list[Value]) -> list[Result]:
    return [of({key: value}) for value in values]


def test_a_curve_has_a_named_line_for_each_series_and_a_bar_for_each_interval() -> None:
    drawn = ElementTree.fromstring(curve(RESULTS, "rank & file"))
    assert len(points(drawn)) == 4
    assert len({y for _, y in points(drawn)}) == 4
    bars = [path for group in groups(drawn, "LineCollection") for path in group.iter(f"{SVG}path")]
    assert len(bars) == 4
    assert {"rank & file", "rank", "2", "8", "attention", "attention+mlp", "60 %"} <= set(texts(drawn))


def test_each_seed_is_a_dash() -> None:
    drawn = ElementTree.fromstring(curve(RESULTS, "rank"))
    dashes = [use for group in groups(drawn, "PathCollection") for use in group.iter(f"{SVG}use")]
    assert len(dashes) == 8  # two seeds of four settings
    assert len({use.attrib["y"] for use in dashes}) == 7  # 65 % twice


def test_a_seed_outside_its_interval_is_drawn() -> None:
    drawn = ElementTree.fromstring(curve([replace(RESULTS[0], by_seed=(0.22, 0.62))], "rank"))
    assert {"20 %", "70 %"} <= set(texts(drawn))


def test_equal_results_give_equal_bytes() -> None:
    assert curve(RESULTS, "rank") == curve(RESULTS, "rank")
    assert "dc:date" not in curve(RESULTS, "rank")


def test_numbers_stand_on_a_log_scale_and_are_joined() -> None:
    drawn = ElementTree.fromstring(curve(of_values("lora.r", [2, 4, 16]), "rank"))
    (first, second, third) = [x for x, _ in points(drawn)]
    assert third - second == pytest.approx(2 * (second - first), rel=1e-3)
    (line,) = groups(drawn, "line2d")
    (joined,) = line.findall(f"{SVG}path")
    assert joined.attrib["d"].count("L") == 2


@pytest.mark.parametrize(
    "values",
    [
        ["Is {question} <b>?", "One word & no $more$, whatever the question says: {question}"],
        ["The same beginning and another end", "The same beginning and one more end"],
        [0, 0.05],
        [None, 4],
    ],
)
def test_values_that_have_no_place_on_a_scale_stand_side_by_side(values: list[Value]) -> None:
    drawn = ElementTree.fromstring(curve(of_values("model.prompt", values), "prompt"))
    (first, second) = [x for x, _ in points(drawn)]
    assert first < second
    assert [path for line in groups(drawn, "line2d") for path in line.findall(f"{SVG}path")] == []
    assert texts(drawn)[:2] == [
        label(value) if len(label(value)) <= 24 else label(value)[:23] + "…" for value in values
    ]


def test_names_of_lines_that_end_together_stand_apart() -> None:
    results = [
        of({"lora.r": r, "lora.targets": [target]}) for r in (2, 4) for target in ("query", "key", "value")
    ]
    drawn = ElementTree.fromstring(curve(results, "rank"))
    heights = sorted(
        float(element.attrib["y"])
        for element in drawn.iter(f"{SVG}text")
        if element.text in ("query", "key", "value")
    )
    assert len(heights) == 3
    assert min(b - a for a, b in pairwise(heights)) > 10  # a letter's height
