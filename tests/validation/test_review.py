"""People's decisions: the one that holds for a pair, and what they come to."""

from filtered_pairs import ask, decisions, filtered, reasons
from vqa.pairs.pair import Pair
from vqa.validation.review import Decision, Key, acceptance, find_decision, key_of, reviewed_pairs


def test_a_corrected_answer_may_be_reviewed_again() -> None:
    color = ask("What color?", "red")
    corrected = decisions(color, "correct", "blue")
    blue = ask("What color?", "blue")
    assert reasons(color, decisions=corrected | decisions(blue, "reject")) == ["rejected_by_review"]
    kept, _ = filtered(color, decisions=corrected | decisions(blue, "correct", "red"))
    assert [pair.answer for pair in kept] == ["red"]  # back and forth ends
    assert acceptance(corrected | decisions(blue, "reject"), [color])["decisions_on_absent_pairs"] == 0


def test_a_decision_holds_for_every_spelling_of_its_answer_and_for_no_other_answer() -> None:
    red = decisions(ask("What color?", "Red."), "accept")
    assert key_of("a.jpg", "What color?", "Red.") == ("a.jpg", "What color?", "red")
    assert find_decision(ask("What color?", "RED"), red) == Decision("accept", "Red.", was_kept=True)
    assert find_decision(ask("What color?", "blue"), red) is None
    assert find_decision(ask("What color?", "red", "b.jpg"), red) is None


def test_reviewed_pairs_are_the_sampled_ones_as_they_stood_with_their_group() -> None:
    accepted, wrong, rejected = (ask(f"How many {what}?", "Two") for what in ("legs", "doors", "lamps"))
    made = decisions(accepted, "accept") | decisions(wrong, "correct", "three")
    key = key_of(rejected.image_name, rejected.question, rejected.answer)
    made[key] = Decision("accept", "Two", was_kept=False)  # shown among the rejects
    kept = [Pair("a.jpg", "How many legs?", "2", split_group="first.jpg")]
    rows = [accepted, wrong, rejected, ask("What color?", "red")]  # nobody decided on the last
    found = reviewed_pairs(kept, rows, made)
    assert [(pair.question, is_wrong) for pair, is_wrong in found] == [
        ("How many legs?", False),
        ("How many doors?", True),
    ]
    assert {(pair.answer, pair.question_type, pair.split_group) for pair, _ in found} == {
        ("2", "count", "first.jpg")
    }


def test_eight_of_ten_accepted_have_wilsons_interval() -> None:
    """(0.8 + z²/20 ± z √(0.8 × 0.2 / 10 + z²/400)) / (1 + z²/10) with z = 1.96: 0.4902 to 0.9433."""
    pairs = [ask(f"What is {number}?", "red") for number in range(11)]
    made: dict[Key, Decision] = {}
    for number, pair in enumerate(pairs):
        kind = ("accept", "also right")[number % 2] if number < 8 else "reject"
        made |= decisions(pair, kind)
    # Of what was shown among the rejects nothing counts.
    made[key_of("a.jpg", "What is 10?", "red")] = Decision("accept", "red", was_kept=False)
    assert acceptance(made, pairs[1:]) == {
        "decisions": {"accept": 5, "also_right": 4, "reject": 2},
        "decisions_on_absent_pairs": 1,
        "acceptance": 0.8,
        "acceptance_low": 0.4902,
        "acceptance_high": 0.9433,
        "reviewed": 10,
    }
    assert "acceptance" not in acceptance({}, pairs)
