from vqa.evaluation.guesses import majority_guesses, question_only_guesses
from vqa.pairs.pair import Pair


def test_guesses_never_need_an_image() -> None:
    train = [
        Pair("a", "What color is the lamp?", "Red", "color"),
        Pair("b", "What color is the lamp?", "red", "color"),
        Pair("c", "What color is the rug?", "blue", "color"),
        Pair("d", "How many?", "two", "count"),
    ]
    test = [
        Pair("x", "What color is the lamp", "?", "color"),
        Pair("x", "color of the rug?", "?", "color"),
        Pair("x", "zzz", "?", "texture"),
    ]
    assert question_only_guesses(train, test) == ["red", "blue", ""]
    assert majority_guesses(train, test) == ["red", "red", "red"]
