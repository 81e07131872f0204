"""What the words of a question give away, learnt from other images only."""

from vqa.label_checks.question_only import guesses, seeded_fold
from vqa.pairs.pair import Pair

COLORS = ("red", "blue", "green", "black")


def test_what_the_question_gives_away_is_guessed_and_chance_is_not() -> None:
    legs = [Pair(f"{i}.jpg", "How many legs does the chair have?", "4") for i in range(40)]
    colors = [Pair(f"{i}.jpg", "What color is the mug?", COLORS[i % 4]) for i in range(40)]
    found = guesses([*legs, *colors], [*legs, *colors], folds=5)
    assert all(guess.answer == "4" and guess.probability > 0.9 for guess in found[:40])
    assert all(guess.of_label == guess.probability for guess in found[:40])
    assert all(0.1 < guess.of_label < 0.45 for guess in found[40:])


def test_no_pair_of_a_group_helps_to_guess_another_of_it() -> None:
    group = [Pair(f"{i}.jpg", "What is the logo?", "anchor", split_group="g") for i in range(20)]
    others = [Pair(f"{i}.png", f"What is thing {i % 3}?", "knob") for i in range(30)]
    found = guesses([*group, *others], group, folds=5)
    assert {guess.answer for guess in found} == {"knob"}
    assert all(guess.of_label < 0.05 for guess in found)


def test_folds_are_of_groups_and_all_are_used() -> None:
    assert seeded_fold(Pair("a.jpg", "", "", split_group="g"), 5) == seeded_fold(
        Pair("b.jpg", "", "", split_group="g"), 5
    )
    assert {seeded_fold(Pair(f"{i}.jpg", "", ""), 5) for i in range(100)} == set(range(5))


def test_answers_in_any_spelling_are_one_and_an_answer_given_once_is_never_guessed() -> None:
    pairs = [Pair(f"{i}.jpg", "How many legs?", spelled) for i, spelled in enumerate(["Four", "4"] * 10)]
    once = Pair("x.jpg", "How many legs?", "seven")
    found = guesses([*pairs, once], [*pairs, once], folds=5)
    assert {guess.answer for guess in found} == {"4"}
    assert found[-1].of_label == 0.0
    assert guesses([once], [once], folds=2)[0].answer == ""


def test_pairs_may_be_asked_that_nothing_was_learnt_from() -> None:
    known = [Pair(f"{i}.jpg", "How many legs?", "4") for i in range(20)]
    (guess,) = guesses(known, [Pair("y.jpg", "How many legs has it?", "3")], folds=5)
    assert (guess.answer, guess.of_label) == ("4", 0.0)
