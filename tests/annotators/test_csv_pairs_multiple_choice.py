import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from vqa.annotators.csv_pairs import answer_with_option_texts
from vqa.core.errors import InputError
from vqa.pairs.pair import Pair

COLORS = ("red", "blue", "gold", "dark green")
PATH = Path("pairs.csv")


def ask(
    answer: str, options: Sequence[str] = COLORS, columns: str = "option_a option_b option_c option_d"
) -> Pair:
    return Pair("a.jpg", "What color is it?", answer, extra=tuple(zip(columns.split(), options, strict=True)))


def in_a_cell(answer: str, cell: str, column: str = "options") -> Pair:
    return Pair("a.jpg", "What color is it?", answer, extra=((column, cell),))


def answers(*pairs: Pair) -> list[str]:
    return [pair.answer for pair in answer_with_option_texts(PATH, pairs)[0]]


@pytest.mark.parametrize("said", ["C", "c", "(C)", "c.", "Option C", "option_c"])
@pytest.mark.parametrize(
    "columns", ["option_a option_b option_c option_d", "A B C D", "choice1 choice2 choice3 choice4"]
)
def test_a_letter_is_the_text_of_its_option(said: str, columns: str) -> None:
    pairs, sentence = answer_with_option_texts(PATH, [ask(said, columns=columns), ask("a", columns=columns)])
    assert [pair.answer for pair in pairs] == ["gold", "red"]
    assert sentence.startswith(
        f"2 answers are letters: the text of the option in {columns.split(maxsplit=1)[0]} to"
    )


@pytest.mark.parametrize(
    "cell",
    [
        '["red", "blue", "gold", "dark green"]',
        "['red', 'blue', 'gold', 'dark green']",
        "['red' 'blue' 'gold' 'dark green']",  # as numpy writes it
        "red|blue|gold|dark green",
        "red; blue; gold; dark green",
        "red, blue, gold, dark green",
    ],
)
def test_options_may_be_a_list_in_a_cell(cell: str) -> None:
    assert answers(in_a_cell("D", cell), in_a_cell("b", cell)) == ["dark green", "blue"]


def test_numbers_count_from_where_the_file_tells() -> None:
    assert answers(ask("0"), ask("3")) == ["red", "dark green"]
    assert answers(ask("1"), ask("4")) == ["red", "dark green"]
    with pytest.raises(InputError, match=r"row 1: answer '1' may be counted as .* from 0 or as .* from 1"):
        answers(ask("1"), ask("3"))
    with pytest.raises(InputError, match=r"row \d: answer '\d' points at none of its 4 options"):
        answers(ask("0"), ask("4"))


def test_answers_that_are_the_options_texts_stay() -> None:
    numbers = ("2", "1", "3", "a")
    given = [ask("gold"), ask("2", numbers), ask("a", numbers)]
    assert answer_with_option_texts(PATH, given) == (given, "")
    assert answers(ask("B"), ask("2", numbers), ask("gold")) == ["blue", "2", "gold"]
    with pytest.raises(InputError, match="row 3: answer 'a' is the text of one option and points at another"):
        answers(ask("B"), ask("2", numbers), ask("a", numbers))


def test_a_letter_beyond_the_options_is_refused_by_row() -> None:
    with pytest.raises(InputError, match=r"pairs\.csv, row 2: answer 'E' points at none of its 4 options"):
        answers(ask("B"), ask("E"))
    with pytest.raises(InputError, match="row 2: answer 'D' points at none of its 3 options"):
        answers(ask("B"), ask("D", ("red", "blue", "gold", "")))


def test_files_without_options_stay_as_they_are() -> None:
    letter = Pair("a.jpg", "What letter is shown?", "B", extra=(("asin", "B1"), ("choice", "x"), ("A", "y")))
    assert answer_with_option_texts(PATH, [letter]) == ([letter], "")
    assert re.match("B", answers(Pair("a.jpg", "Which?", "B", extra=(("options", ""),)))[0])


@pytest.mark.parametrize(
    "options", ["A. red|B. blue|C. gold", "(a) red; (b) blue; (c) gold", "['1) red', '2) blue', '3) gold']"]
)
def test_an_option_s_own_mark_is_no_part_of_the_answer(options: str) -> None:
    mark = "2" if "1" in options else "B"
    first = "1" if "1" in options else "A"
    last = "3" if "1" in options else "C"
    pairs = [in_a_cell(said, options) for said in (mark, first, last)]
    assert answers(*pairs) == ["blue", "red", "gold"]


def test_options_of_which_some_begin_so_stay_as_they_are() -> None:
    assert answers(ask("A", ("A. red", "blue", "gold", "tan"))) == ["A. red"]


def test_letters_that_no_column_explains_are_refused() -> None:
    pairs = [Pair("a.jpg", "What color? A) red B) blue", said) for said in "ABBA"]
    with pytest.raises(
        InputError, match=r"row 1: 4 of 4 answers are single letters \(a, b …\), but no column"
    ):
        answer_with_option_texts(PATH, pairs)
    asked_for = [Pair("a.jpg", "Which letter is on the mug?", said) for said in "ABBA"]
    assert answer_with_option_texts(PATH, asked_for) == (asked_for, "")


def test_a_few_letters_that_no_column_explains_are_kept_and_said() -> None:
    few = [Pair("a.jpg", "What color is it?", said) for said in ("red", "blue", "tan", "B", "B.", "A")]
    assert answer_with_option_texts(PATH, few) == (
        few,
        "3 of 6 answers are single letters (b 2, a 1; the first in row 4) without options that they could "
        "point at; they are kept: look at them",
    )
    pairs, sentence = answer_with_option_texts(PATH, [ask("B"), ask("C"), ask("D", ("", "", "", ""))])
    assert [pair.answer for pair in pairs] == ["blue", "gold", "D"]
    assert sentence == (
        "2 answers are letters: the text of the option in option_a to option_d is taken; 1 of 3 answers are "
        "single letters (d 1; the first in row 3) without options that they could point at; they are kept: "
        "look at them"
    )
