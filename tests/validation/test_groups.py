import numpy as np
from numpy.typing import NDArray

from vqa.validation.groups import grouped, uncrossed

Integers = NDArray[np.int64]


def links(*rows: tuple[int, int, int]) -> Integers:
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def ones(count: int) -> Integers:
    return np.ones(count, dtype=np.int64)


def parts(of_content: Integers) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(of_content == group).tolist()) for group in set(of_content.tolist())}


CHAIN = links((0, 1, 2), (1, 2, 9), (2, 3, 1), (3, 4, 8), (4, 5, 0))  # of six, the weakest link in it 1-2


def test_connected_looks_are_one_group() -> None:
    found = grouped(links((0, 1, 5), (2, 1, 5), (3, 4, 0)), ones(6), {}, most=3)
    assert parts(found.of_content) == {frozenset({0, 1, 2}), frozenset({3, 4}), frozenset({5})}
    assert (found.largest, found.cut) == (3, 0)


def test_a_chain_that_is_too_long_is_cut_at_its_weakest_links() -> None:
    found = grouped(CHAIN, ones(6), {}, most=4)
    assert parts(found.of_content) == {frozenset({0, 1}), frozenset({2, 3, 4, 5})}
    assert (found.largest, found.cut) == (6, 1)


def test_a_group_counts_its_images_not_its_looks() -> None:
    found = grouped(CHAIN, np.array([1, 1, 1, 1, 1, 3]), {}, most=4)
    assert parts(found.of_content) == {frozenset({0, 1, 2, 3}), frozenset({4, 5})}


def test_a_group_that_ties_two_splits_is_cut_between_them_and_no_other_is() -> None:
    both = np.concatenate([CHAIN, CHAIN + np.array([6, 6, 0])])
    found = grouped(both, ones(12), {0: "train", 3: "test", 6: "val"}, most=99)
    assert parts(found.of_content) == {frozenset({0, 1}), frozenset({2, 3, 4, 5}), frozenset(range(6, 12))}
    assert found.cut == 1


def test_a_cut_group_leaves_out_the_look_with_most_links_to_another_split() -> None:
    crossing = links((0, 1, 9), (0, 2, 9), (0, 3, 9), (4, 5, 1))
    assert uncrossed(crossing, ["train", "test", "test", "val", "val", "val"], {}) == {
        0: {"train", "test", "val"}
    }


def test_a_look_that_was_dealt_before_is_not_left_out() -> None:
    crossing = links((0, 1, 9), (0, 2, 9))
    joined = uncrossed(crossing, ["train", "test", "test"], {0: "train"})
    assert joined == {1: {"train", "test"}, 2: {"train", "test"}}
    assert uncrossed(links((0, 1, 9)), ["train", "test"], {0: "train", 1: "test"}) == {}
