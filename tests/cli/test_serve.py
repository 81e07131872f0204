"""The page with real models behind it."""

import base64
from pathlib import Path

from commands import served
from other_adapter import other_adapter
from vqa.settings import load_settings


def test_a_picture_and_a_question_get_an_answer_of_both_models(adapted: Path) -> None:
    picture = next(load_settings().data.root.glob("images/small/*/*.jpg"))
    other_adapter(adapted)
    content = base64.b64encode(picture.read_bytes()).decode()
    posted = {"picture": content, "question": "What color is it?", "adapter": "models/adapter/best"}
    with served() as post:
        said = post(posted)
        of_photos = post(posted | {"adapter": "models/adapter-photos"})
        refused = post(posted | {"adapter": "../elsewhere"})
    assert list(said) == ["base", "adapted"]
    for answers in said.values():
        probabilities = [answer["probability"] for answer in answers]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 1 <= len(answers) <= 3
    assert said["base"] != said["adapted"]
    assert of_photos["base"] != said["base"]  # another model
    assert refused == {"error": "there is no adapter '../elsewhere'; load the page again"}
