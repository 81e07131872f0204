"""A tree of three answers, whose tokens are written by hand; 0 ends each."""

import pytest
import torch

from vqa.vlm.constrained_decoding import AnswerTree

TREE = AnswerTree([[5, 7, 0], [5, 6, 0], [9, 0]])


@pytest.mark.parametrize(
    ("beginning", "tokens"),
    [
        ([], [5, 9]),
        ([5], [6, 7]),
        ([5, 7], [0]),
        ([9], [0]),
        ([9, 0], [3]),  # it has ended: padding alone
        ([9, 0, 3, 3], [3]),
        ([7], [3]),  # what no answer begins with
    ],
)
def test_only_what_goes_on_to_an_answer_may_follow(beginning: list[int], tokens: list[int]) -> None:
    assert TREE.after(beginning, padding=3) == tokens


def test_an_answer_that_another_begins_with_may_end_or_go_on() -> None:
    assert AnswerTree([[5, 0], [5, 5, 0]]).after([5], padding=3) == [0, 5]


def test_the_prompt_s_own_tokens_are_skipped() -> None:
    allowed = TREE.allowed(skipped=2, padding=3)
    assert allowed(0, torch.tensor([9, 9])) == [5, 9]
    assert allowed(7, torch.tensor([9, 9, 5])) == [6, 7]


def test_without_answers_there_is_nothing_but_padding() -> None:
    assert AnswerTree([]).after([], padding=3) == [3]
