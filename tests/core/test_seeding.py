import hashlib
import random

from vqa.core.seeding import seeded_generator, seeded_rank


def test_a_rank_is_the_hash_of_seed_and_name_so_that_earlier_draws_stay() -> None:
    assert seeded_rank(0, "8f5d4670.jpg") == hashlib.sha256(b"0/8f5d4670.jpg").hexdigest()
    assert seeded_rank(0, 7) == seeded_rank(0, "7") != seeded_rank(1, 7)


def test_a_larger_draw_keeps_a_smaller_one_s_whatever_the_order() -> None:
    names = [f"{number}.jpg" for number in range(50)]

    def drawn(count: int, of: list[str]) -> set[str]:
        return set(sorted(of, key=lambda name: seeded_rank(3, name))[:count])

    assert drawn(5, names) < drawn(9, names)
    assert drawn(5, names) == drawn(5, names[::-1])


def test_a_name_s_random_numbers_are_its_own() -> None:
    assert seeded_generator(0, "a").random() == random.Random("0/a").random()
    assert seeded_generator(0, "a").random() != seeded_generator(0, "b").random()
