from collections import Counter

from vqa.splits import split_of


def test_shares_hold_and_a_picture_never_moves() -> None:
    counts = Counter(split_of(f"{i}", 0.1, 0.2, seed=0) for i in range(10_000))
    assert abs(counts["test"] - 2000) < 150
    assert abs(counts["val"] - 1000) < 120
    assert split_of("7", 0.1, 0.2, seed=0) == split_of("7", 0.1, 0.2, seed=0)


def test_the_seed_draws_another_split() -> None:
    assert [split_of(f"{i}", 0.1, 0.2, 0) for i in range(50)] != [
        split_of(f"{i}", 0.1, 0.2, 1) for i in range(50)
    ]
