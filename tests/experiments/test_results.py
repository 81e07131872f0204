"""What is read of experiments: which answers were right, which settings to take."""

from studies import RESULTS
from vqa.experiments.results import best_under, exact_matches


def test_the_best_is_chosen_by_validation_and_costs_no_more_than_it_must() -> None:
    best = [(budget, row.changes["lora.r"], row.exact_match) for budget, row in best_under(RESULTS)]
    assert best == [(2000, 2, 0.61), (8000, 8, 0.64)]  # the test pairs would have chosen others


def test_exact_matches_are_of_normal_forms() -> None:
    text = "image_name,question,answer,generated_answer\na.jpg,How many?,2,Two\nb.jpg,What?,lamp,\n"
    pairs, right = exact_matches(text)
    assert [pair.key for pair in pairs] == [("a.jpg", "How many?"), ("b.jpg", "What?")]
    assert right.tolist() == [1, 0]
