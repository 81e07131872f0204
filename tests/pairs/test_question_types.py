import pytest

from vqa.pairs.question_types import TOPICS, find_hidden_topic, infer_question_type


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many legs does the bed have", "count"),
        ("What is the main colour of the bed?", "color"),
        ("What is the bag made of?", "material"),
        ("Is the pattern striped?", "pattern"),
        ("What type of appliance is shown", "category"),
        ("What is the style of the sandal", "style"),
        ("Is the dog left or right of center?", "position"),
        ("What word is on the banner", "text"),
        ("Is the cord visible?", "yes_no"),
        ("Is it plain or checked?", "other"),
    ],
)
def test_the_question_type_is_inferred_from_its_words(question: str, expected: str) -> None:
    assert infer_question_type(question) == expected


def test_a_hidden_topic_is_named_where_it_is_asked_about() -> None:
    assert find_hidden_topic("What brand is this?", TOPICS) == "brand"
    assert find_hidden_topic("What brand is this?", ["price"]) is None
    assert find_hidden_topic("What color is the brand name?", TOPICS) is None
