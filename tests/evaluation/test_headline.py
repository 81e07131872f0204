"""The README's table and sentence, on numbers that can be counted by hand."""

from copy import deepcopy

from judged import DETAILS, METRICS
from vqa.evaluation.headline import headline_table, lead_sentences

OTHERS = deepcopy(DETAILS)  # of another catalogue
OTHERS["systems"]["baseline"]["all"] |= {"exact_match": 0.125, "ci95": [0.1, 0.2]}
OTHERS["differences"]["delta_to_text_only"]["all"] |= {"exact_match": 0.06, "ci95": [0.04, 0.08]}
OTHERS["differences"]["delta_to_text_only"]["color"] |= {"exact_match": 0.23, "ci95": [0.2, 0.26]}
_SUBSETS = OTHERS["subsets"]
_SUBSETS["confirmed"]["differences"]["delta_to_text_only"] |= {"exact_match": 0.27, "ci95": [0.2, 0.3]}
_SUBSETS["needs_picture"]["differences"]["delta_to_blind"] |= {"exact_match": 0.15, "ci95": [0.1, 0.2]}


def test_four_systems_a_column_for_each_catalogue_over_seeds_where_there_are_some() -> None:
    seeds = {"lora": "80.1% [77.8, 82.3], 5 seeds", "blind": "15.9% [13.1, 17.5]"}
    catalogues = {"drawn": (METRICS, DETAILS, seeds), "photographs": (METRICS, OTHERS, {})}
    lines = headline_table(catalogues).splitlines()
    header, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in [lines[0], *lines[2:]])
    assert header == [
        "exact match",
        "drawn: 4 questions on 2 pictures",
        "photographs: 4 questions on 2 pictures",
    ]
    assert [row[0] for row in rows] == [
        "base model",
        "with LoRA adapter",
        "adapter, features zeroed",
        "text-only neighbours",
    ]
    assert rows[1][1] == "80.1% [77.8, 82.3], 5 seeds"
    assert rows[1][2].startswith("50.0% [")
    assert rows[2][1] == "15.9% [13.1, 17.5]"
    assert rows[0][1].startswith("25.0% [")
    assert rows[0][2] == "12.5% [10.0, 20.0]"


def test_the_leads_are_those_over_seeds_and_of_parts_those_that_the_metrics_hold() -> None:
    drawings = {"delta": "+47.8 [+44.6, +51.0]", "delta_to_blind": "+64.0 [+61.0, +67.0]"}
    said = lead_sentences(drawings, {"delta_to_text_only": "+5.9 [+4.5, +7.4]"}, OTHERS)
    assert "on drawings adapter − base +47.8 [+44.6, +51.0]; − features zeroed +64.0 [+61.0, +67.0]." in said
    assert (
        "adapter − text-only +5.9 [+4.5, +7.4]; with the seed as committed +23.0 [+20.0, +26.0] on colour"
        in said
    )
    assert ", +27.0 [+20.0, +30.0] where the catalogue confirms the label" in said
    assert "− features zeroed +15.0 [+10.0, +20.0] where the wording" in said
