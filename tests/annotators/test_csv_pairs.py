from pathlib import Path

import pytest

from vqa.annotators.csv_pairs import read_csv_pairs

ROWS = [
    ("What color is the sofa?", "Dark Brown"),
    ("What colour is the sofa?", "light grey"),
    ("What is the frame made of?", "solid wood"),
    ("What color is the chair?", "brown and white"),  # two known words
    ("What color is the rug?", "dusty sage"),  # none
    ("What shape is the table?", "round oval"),  # no list of shapes
    ("What color is the lamp?", "Off-White"),
]


@pytest.mark.parametrize(
    ("is_reduced", "answers"),
    [
        (False, [answer for _, answer in ROWS]),
        (True, ["brown", "gray", "wood", "brown and white", "dusty sage", "round oval", "Off-White"]),
    ],
)
def test_an_answer_of_several_words_is_cut_to_the_known_one_where_asked_for(
    tmp_path: Path, is_reduced: bool, answers: list[str]
) -> None:
    table = tmp_path / "pairs.csv"
    rows = "".join(f"a.jpg,{question},{answer}\n" for question, answer in ROWS)
    table.write_text("image_name,question,answer\n" + rows)
    pairs, _ = read_csv_pairs(table, dict, is_reduced)
    assert [pair.answer for pair in pairs] == answers
    assert {pair.source for pair in pairs} == {"pairs.csv"}
