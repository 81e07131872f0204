"""Too few held-out pairs are said, and by how much; enough are not."""

import pytest

from vqa.pairs.pair import too_few


def test_enough_pairs_are_no_news() -> None:
    assert too_few(50, 20) == []
    assert too_few(50) == []


@pytest.mark.parametrize(
    ("test_pairs", "val_pairs", "named"),
    [
        (49, 20, "49 test pairs, where 50 are the least;"),
        (50, 19, "19 validation pairs, where 20 are the least;"),
        (8, 3, "8 test pairs, where 50 are the least and 3 validation pairs, where 20 are the least;"),
    ],
)
def test_too_few_are_counted_and_a_remedy_is_named(test_pairs: int, val_pairs: int, named: str) -> None:
    (sentence,) = too_few(test_pairs, val_pairs)
    assert sentence.startswith(f"too little to tell: {named}")
    assert "validate.test_share" in sentence
