"""The same judgement on the pairs whose label is confirmed, and on those that need the picture."""

from judged import DETAILS, PAIRS, SCORES, VERDICTS
from vqa.evaluation.comparison import judgement
from vqa.evaluation.markdown import subsets_table
from vqa.evaluation.subsets import judged_subsets
from vqa.pairs.verdicts import Verdict


def test_each_subset_is_judged_as_if_there_were_no_other_pairs() -> None:
    found = judged_subsets(PAIRS, SCORES, VERDICTS, 200, 0)
    assert {name: of["n"] for name, of in found.items()} == {"confirmed": 2, "needs_picture": 3}
    assert found["confirmed"]["systems"]["lora"]["exact_match"] == 0.5  # red right, teal wrong
    assert found["needs_picture"]["systems"]["text_only"]["exact_match"] == 0.3333
    assert found["needs_picture"]["differences"]["delta_to_blind"]["exact_match"] == 0.3333


def test_all_pairs_as_a_subset_give_the_judgement_of_all() -> None:
    every = judged_subsets(PAIRS, SCORES, [Verdict("confirmed", needs_picture=False)] * 4, 200, 0)
    details = judgement(PAIRS, SCORES, 200, 0)[1]
    assert list(every) == ["confirmed"]
    assert every["confirmed"]["systems"]["lora"] == details["systems"]["lora"]["all"]
    assert every["confirmed"]["differences"]["delta"] == details["differences"]["delta"]["all"]


def test_the_table_has_a_line_for_all_and_each_subset() -> None:
    _, _, *rows = subsets_table(DETAILS).splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:3]] for row in rows]
    assert cells == [["all", "4"], ["label confirmed", "2"], ["picture needed", "3"]]
