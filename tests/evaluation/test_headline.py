"""The README's table and sentence, on numbers that can be counted by hand."""

from judged import DETAILS, METRICS
from vqa.evaluation.headline import headline_table, lead_sentences


def test_four_systems_a_column_for_each_catalogue_and_seeds_for_the_first() -> None:
    catalogues = {"drawn": (METRICS, DETAILS), "photographs": (METRICS, DETAILS)}
    lines = headline_table(catalogues, "80.1% [77.8, 82.3], 5 seeds").splitlines()
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
    assert rows[0][1] == rows[0][2]


def test_the_leads_are_the_differences_that_the_metrics_hold() -> None:
    said = lead_sentences("+47.8 [+44.6, +51.0]", DETAILS, DETAILS)
    low, high = DETAILS["differences"]["delta_to_blind"]["all"]["ci95"]
    assert f"LoRA − blind +25.0 [{100 * low:+.1f}, {100 * high:+.1f}] on drawings" in said
    confirmed = DETAILS["subsets"]["confirmed"]["differences"]["delta_to_text_only"]
    assert f"but {100 * confirmed['exact_match']:+.1f} [" in said
