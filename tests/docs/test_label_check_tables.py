"""Tables of what label checks say and see, on counts that can be read off."""

from typing import Any

from tables import (
    detection_table,
    meanings_table,
    opinions_table,
    support_table,
    trained_table,
)


def cells(table: str) -> list[list[str]]:
    lines = table.splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if set(line) - set("|-")]


def counted(n: int, spoken_on: int, accused: int, right: int, right_accused: int) -> dict[str, Any]:
    return {
        "wrong": {"n": n, "spoken_on": spoken_on, "accused": accused},
        "right": {"n": right, "spoken_on": right, "accused": right_accused},
    }


def test_support_levels_are_shown_commonest_type_first() -> None:
    shares = {"conflicting": 0.1, "unchecked": 0.4, "supported": 0.5, "needs_image": 0.25}
    by_type = {"color": {"n": 10, **shares}, "shape": {"n": 1000, **shares}}
    header, *rows = cells(support_table({"n": 1010, **shares, "by_type": by_type}))
    assert header == ["", "pairs", "conflicting", "unchecked", "supported", "needs image"]
    assert rows[0] == ["all", "1,010", "10.0%", "40.0%", "50.0%", "25.0%"]
    assert [row[0] for row in rows] == ["all", "shape", "color"]


def test_the_catalogue_s_finds_are_of_those_it_speaks_on() -> None:
    found = {"catalogue": {"all": counted(10, 8, 7, 90, 1), "count": counted(2, 0, 0, 18, 0)}}
    header, *rows = cells(detection_table({"0": found, "0.1": found}))
    assert header == ["", "10% wrong: found", "10% wrong: accused"]
    assert rows == [["all", "7 of 8 (10 wrong)", "1 of 90"], ["count", "silent (2 wrong)", "0 of 18"]]


def test_near_words_stand_before_others() -> None:
    header, row = cells(meanings_table({"color": {"near": 10, "other": 90, "0.5": [0.2, 0.0125]}}))
    assert (header, row) == (["", "≥ 0.5"], ["color", "20.0% / 1.2%"])


def test_an_opinion_is_shown_beside_the_catalogue_and_the_support_level() -> None:
    one = {"all": counted(10, 9, 7, 90, 1)}
    found = {"catalogue": one, "second_opinion": one, "support": one, "requests": 3, "images": 3}
    rows = cells(opinions_table({"0.05": found}))[1:]
    assert rows[1] == ["5%", "second opinion", "7 of 10", "1 of 90", "2"]


def test_a_training_is_shown_with_its_interval_and_each_seed() -> None:
    of_rate = {
        "all": 0.5,
        "not_conflicting": 0.6,
        "difference": 0.1,
        "low": 0.05,
        "high": 0.15,
        "by_seed": [0.08, 0.12],
    }
    rows = cells(trained_table({"0.3": of_rate}))[1:]
    assert rows == [["30%", "50.0%", "60.0%", "+10.0 [+5.0, +15.0]", "+8.0, +12.0"]]
