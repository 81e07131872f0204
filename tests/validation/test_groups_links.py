import pytest

from vqa.validation.groups import names_made_of, numbered_apart


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("lamp.jpg", "lamp_flip.jpg"),
        ("lamp.jpg", "Lamp-rot90.png"),
        ("lamp.jpg", "lamp_bright_crop2.jpg"),
        ("lamp_flip.jpg", "lamp_rot12.jpg"),
        ("lamp_jpg.rf.0f3a9b2c4d5e.jpg", "lamp_jpg.rf.aa3a9b2c4d5f.jpg"),
        ("lamp.jpg", "lamp_jpg.rf.0f3a9b2c4d5e.jpg"),
        ("lamp.jpg", "lamp copy 2.jpg"),
    ],
)
def test_names_that_a_program_made_of_one_are_tied(name: str, other: str) -> None:
    assert names_made_of(["rug.jpg", name, "mug_flip.jpg", other]) == [[1, 3]]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("lamp.jpg", "lamp-2.jpg"),
        ("lamp (1).jpg", "lamp (2).jpg"),
        ("flip.jpg", "flop.jpg"),
        ("smalllamp.jpg", "lamp.jpg"),
        ("8f5d4670.jpg", "8f5d4671.jpg"),
        ("lamp-red.jpg", "lamp-blue.jpg"),
    ],
)
def test_other_names_are_not(name: str, other: str) -> None:
    assert names_made_of([name, other]) == []


def test_names_that_differ_by_a_number_in_brackets_are_said_where_they_stand_in_two_splits() -> None:
    split_of = {"lamp (1).jpg": "train", "lamp (2).jpg": "test", "lamp.jpg": "train", "rug (1).jpg": "val"}
    assert numbered_apart(split_of) == [
        "3 images have names that differ by (1), (2) or so and stand in two splits (lamp (1).jpg, "
        "lamp (2).jpg, lamp.jpg): where they are copies or views of one thing, tie them (docs/pairs.md)"
    ]
    assert numbered_apart({"lamp (1).jpg": "train", "lamp (2).jpg": "train", "rug.jpg": "val"}) == []
