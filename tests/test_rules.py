from vqa.images import ImageError
from vqa.pairs import Pair
from vqa.rules import judge


def reasons(*pairs: Pair, missing: str = "") -> list[str]:
    def check_image(name: str) -> None:
        if name == missing:
            raise ImageError("image_missing", "no file")

    kept, rejected = judge(pairs, check_image)
    assert len(kept) + len(rejected) == len(pairs)
    return [reject.reason for reject in rejected]


def test_a_good_pair_is_kept_as_it_came() -> None:
    pair = Pair("a.jpg", "What color?", "Dark-Blue.")
    assert judge([pair], lambda name: None) == ([pair], [])


def test_answers_must_be_one_word() -> None:
    assert reasons(Pair("a", "What color?", "dark blue")) == ["not_one_word"]
    assert reasons(Pair("a", "What color?", " . ")) == ["empty_answer"]
    assert reasons(Pair("a", " ", "red")) == ["empty_question"]
    assert reasons(Pair("a", "What color?", "the red")) == []


def test_questions_and_answers_must_be_english() -> None:
    assert reasons(Pair("a", "Welche Farbe?", "rot")) == ["not_english"]
    assert reasons(Pair("a", "What color?", "größe")) == ["not_english"]
    assert reasons(Pair("a", "Rectangular", "white")) == ["not_english"]
    assert reasons(Pair("a", "Name the pattern.", "plain")) == []


def test_a_missing_picture_rejects_its_pairs() -> None:
    pairs = Pair("a", "What color?", "red"), Pair("b", "What color?", "red")
    assert reasons(*pairs, missing="a") == ["image_missing"]


def test_the_second_of_two_equal_questions_is_a_duplicate() -> None:
    assert reasons(Pair("a", "What color?", "red"), Pair("a", "what Color", "Red")) == ["duplicate"]


def test_conflicting_answers_are_all_rejected() -> None:
    pairs = Pair("a", "What color?", "red"), Pair("a", "what color", "blue"), Pair("b", "What color?", "red")
    assert reasons(*pairs) == ["conflicting_answers", "conflicting_answers"]
