"""The README's table and sentence, on numbers that can be counted by hand."""

from copy import deepcopy

from tables import headline_table, lead_sentences

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
