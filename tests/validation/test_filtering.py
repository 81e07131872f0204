"""Pairs → kept or rejected, each with the first reason, and what people decided before any rule."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from filtered_pairs import LIMITS, ask, decisions, filtered, reasons
from vqa.catalogue.images import ImageRecord
from vqa.pairs.pair import Pair
from vqa.validation.filtering import (
    Rejected,
    build_candidates,
    counts_by_reason,
    filter_pairs,
    images_to_inspect,
    leave_out,
    leave_out_rows,
    read_rejected,
    write_rejected,
)
from vqa.validation.rules import Candidate, Context, Rule


def test_a_good_pair_is_kept_with_its_answer_in_normal_form_and_its_type() -> None:
    kept, _ = filtered(Pair("a.jpg", "What color?", "Dark-Blue.", extra=(("asin", "B1"),)))
    assert kept == [Pair("a.jpg", "What color?", "dark-blue", "color", extra=(("asin", "B1"),))]


def test_none_is_compared_as_a_number_but_taught_as_the_word() -> None:
    kept, rejected = filtered(
        ask("What pattern is on the shirt?", "None."),
        ask("How many drawers are there?", "Zero"),
        ask("Which pattern has the shirt?", "0", image_name="b.jpg"),
        ask("Which pattern has the shirt?", "none", image_name="b.jpg"),
    )
    assert [pair.answer for pair in kept] == ["none", "0", "0"]
    assert [reject.reason for reject in rejected] == ["duplicate"]


def test_a_person_s_word_beats_the_rules() -> None:
    brand, color = ask("What is the brand?", "Solimo"), ask("What color?", "Red")
    assert reasons(brand, decisions=decisions(brand, "accept")) == []
    assert reasons(color, decisions=decisions(color, "reject")) == ["rejected_by_review"]
    kept, _ = filtered(color, decisions=decisions(color, "correct", "Dark-Red"))
    assert kept[0].answer == "dark-red"


def test_a_person_s_word_settles_a_conflict_but_cannot_mend_an_image() -> None:
    red, blue = ask("What color?", "red"), ask("What color?", "blue")
    kept, rejected = filtered(red, blue, decisions=decisions(blue, "accept"))
    assert [pair.answer for pair in kept] == ["blue"]
    assert [reject.reason for reject in rejected] == ["conflicting_answers"]
    missing = {"a.jpg": ImageRecord(problem="image_missing", detail="no file")}
    assert reasons(red, decisions=decisions(red, "accept"), problems=missing) == ["image_missing"]


def of_answer(answer: str) -> Rule:
    """A rule that rejects one answer, and counts the candidates that still stand."""

    def check(standing: Sequence[Candidate], context: Context) -> Iterator[tuple[int, str]]:
        return ((c.row, f"one of {len(standing)}") for c in standing if c.answer == answer)

    return Rule(f"is_{answer}", check)


def test_rules_are_asked_in_turn_of_what_still_stands() -> None:
    pairs = [ask("What color?", answer, f"{answer}.jpg") for answer in ("red", "blue", "red", "teal")]
    candidates, _ = build_candidates(pairs, {})
    rules = [of_answer("red"), of_answer("green"), of_answer("blue")]
    standing, rejected = filter_pairs(candidates, rules, Context(LIMITS))
    assert [candidate.pair for candidate in standing] == [pairs[3]]
    assert rejected == [
        Rejected(pairs[0], "is_red", "one of 4"),
        Rejected(pairs[2], "is_red", "one of 4"),
        Rejected(pairs[1], "is_blue", "one of 2"),
    ]
    assert counts_by_reason(rejected) == {"is_red": 2, "is_blue": 1}


def test_second_right_answers_are_kept_once_and_never_the_answer_itself() -> None:
    pair = Pair("a.jpg", "What color?", "red", also_right=("Crimson.", "RED", "crimson", "."))
    assert filtered(pair)[0][0].also_right == ("crimson",)


def test_an_image_is_inspected_once_also_where_a_person_rejected_its_pair() -> None:
    candidates, _ = build_candidates([ask("What?", "red", name) for name in ("b.jpg", "a.jpg", "b.jpg")], {})
    reviewed = [Rejected(ask("Who?", "red", name), "", "") for name in ("c.jpg", "a.jpg", "../x.jpg")]
    assert images_to_inspect(candidates, reviewed) == ["b.jpg", "a.jpg", "c.jpg"]


def test_what_links_two_splits_is_left_out_by_image_or_by_row() -> None:
    pairs = [ask("What?", "red"), ask("Who?", "red"), ask("What?", "red", "b.jpg")]
    kept, rejected = leave_out(pairs, {"a.jpg": "near b.jpg"})
    assert kept == [pairs[2]]
    assert rejected == [Rejected(pair, "links_two_splits", "near b.jpg") for pair in pairs[:2]]
    kept, rejected = leave_out_rows(pairs, {("a.jpg", "Who?"): "declared val"})
    assert kept == [pairs[0], pairs[2]]
    assert rejected == [Rejected(pairs[1], "links_two_splits", "declared val")]


def test_rejects_are_written_in_order_of_reason_image_and_question_and_read_again(tmp_path: Path) -> None:
    rejected = [
        Rejected(Pair("b.jpg", "What?", "red"), "empty_answer", "1"),
        Rejected(Pair("b.jpg", "what now?", "red"), "duplicate", "2"),
        Rejected(Pair("a.jpg", "Which?", "red", "color"), "empty_answer", "3"),
        Rejected(Pair("b.jpg", "Apart?", "red"), "duplicate", "4"),
    ]
    write_rejected(tmp_path / "rejected.csv", rejected)
    assert read_rejected(tmp_path / "rejected.csv") == [rejected[number] for number in (3, 1, 2, 0)]
