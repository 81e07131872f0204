"""The same comparison on the pairs whose label is supported, and on those that need the image."""

from evaluated import DETAILS, PAIRS, SCORES, SUPPORT_LEVELS
from vqa.evaluation.comparison import compare_on_subsets, compare_systems
from vqa.evaluation.markdown import subsets_table
from vqa.pairs.pair import Support


def test_each_subset_is_judged_as_if_there_were_no_other_pairs() -> None:
    found = compare_on_subsets(PAIRS, SCORES, SUPPORT_LEVELS, 200, 0)
    assert {name: of["n"] for name, of in found.items()} == {"supported": 2, "needs_image": 3}
    assert found["supported"]["systems"]["lora"]["exact_match"] == 0.5  # red right, teal wrong
    assert found["needs_image"]["systems"]["question_only"]["exact_match"] == 0.3333
    assert found["needs_image"]["differences"]["delta_to_zero_image"]["exact_match"] == 0.3333


def test_all_pairs_as_a_subset_give_the_judgement_of_all() -> None:
    every = compare_on_subsets(PAIRS, SCORES, [Support("supported", needs_image=False)] * 4, 200, 0)
    details = compare_systems(PAIRS, SCORES, 200, 0)[1]
    assert list(every) == ["supported"]
    assert every["supported"]["systems"]["lora"] == details["systems"]["lora"]["all"]
    assert every["supported"]["differences"]["delta"] == details["differences"]["delta"]["all"]


def test_the_table_has_a_line_for_all_and_each_subset() -> None:
    _, _, *rows = subsets_table(DETAILS).splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:3]] for row in rows]
    assert cells == [["all", "4"], ["label supported", "2"], ["image needed", "3"]]
