"""The README's table and sentence, on numbers that can be counted by hand."""

from copy import deepcopy

from tables import calibration_table, coverage_table, headline_table, lead_sentences

from evaluated import DETAILS, METRICS

OTHERS = deepcopy(DETAILS)  # of another catalogue
OTHERS["systems"]["baseline"]["all"] |= {"exact_match": 0.125, "low": 0.1, "high": 0.2}
OTHERS["differences"]["delta_to_question_only"]["all"] |= {"exact_match": 0.06, "low": 0.04, "high": 0.08}
OTHERS["differences"]["delta_to_question_only"]["color"] |= {"exact_match": 0.23, "low": 0.2, "high": 0.26}
_SUBSETS = OTHERS["subsets"]
_SUBSETS["supported"]["differences"]["delta_to_question_only"] |= {
    "exact_match": 0.27,
    "low": 0.2,
    "high": 0.3,
}
_SUBSETS["needs_image"]["differences"]["delta_to_zero_image"] |= {
    "exact_match": 0.15,
    "low": 0.1,
    "high": 0.2,
}


def test_four_systems_a_column_for_each_catalogue_over_seeds_where_there_are_some() -> None:
    seeds = {"lora": "80.1% [77.8, 82.3], 5 seeds", "zero_image": "15.9% [13.1, 17.5]"}
    catalogues = {"drawn": (METRICS, DETAILS, seeds), "photographs": (METRICS, OTHERS, {})}
    lines = headline_table(catalogues).splitlines()
    header, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in [lines[0], *lines[2:]])
    assert header == [
        "exact match",
        "drawn: 4 questions on 2 images",
        "photographs: 4 questions on 2 images",
    ]
    assert [row[0] for row in rows] == [
        "baseline",
        "LoRA",
        "zero image",
        "question-only prior",
    ]
    assert rows[1][1] == "80.1% [77.8, 82.3], 5 seeds"
    assert rows[1][2].startswith("50.0% [")
    assert rows[2][1] == "15.9% [13.1, 17.5]"
    assert rows[0][1].startswith("25.0% [")
    assert rows[0][2] == "12.5% [10.0, 20.0]"


def test_the_leads_are_those_over_seeds_and_of_parts_those_that_the_metrics_hold() -> None:
    drawings = {"delta": "+47.8 [+44.6, +51.0]", "delta_to_zero_image": "+64.0 [+61.0, +67.0]"}
    said = lead_sentences(drawings, {"delta_to_question_only": "+5.9 [+4.5, +7.4]"}, OTHERS)
    assert "leads the baseline by +47.8 [+44.6, +51.0] points, and itself without the image by" in said
    assert " by +64.0 [+61.0, +67.0]. On photographs" in said
    assert "leads the question-only prior by +5.9 [+4.5, +7.4]." in said
    assert "that lead is +23.0 [+20.0, +26.0] on colours and +27.0 [+20.0, +30.0] where the cat" in said
    assert said.endswith("leads itself without the image by +15.0 [+10.0, +20.0].")


def test_calibration_and_coverage_stand_side_by_side_for_each_catalogue() -> None:
    before, after = {"value": 0.07, "low": 0.05, "high": 0.1}, {"value": 0.04, "low": 0.02, "high": 0.06}
    coverage = [
        {"at_least": 0.5, "share": 0.9, "right": 0.84},
        {"at_least": 0.9, "share": 0, "right": None},
    ]
    of = {"validation_questions": 1400, "temperature": 0.8, "test_questions": 995, "at_least": 0.3}
    measured = {"expected_calibration_error": {"before": before, "after": after}, "coverage": coverage}
    reports = {"drawings": of | measured}
    assert cells(calibration_table(reports))[2:] == [
        ["drawings", "1,400", "0.80", "995", "0.070 [0.050, 0.100]", "0.040 [0.020, 0.060]", "0.30"]
    ]
    titles, _, *rows = cells(coverage_table(reports))
    assert titles == ["at least", "drawings: answered", "drawings: of these right"]
    assert rows == [
        ["0.50", "90.0%", "84.0%"],
        ["0.90", "0.0%", "none"],
    ]


def cells(markdown: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()]
