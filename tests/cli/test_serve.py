"""The page with real models behind it."""

import base64
import http.client
import json
import re
import signal
from pathlib import Path
from typing import Any

from commands import started
from other_adapter import other_adapter
from vqa.settings import load_settings


def asked(number: int, posted: dict[str, str]) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", number)
    connection.request("POST", "/", json.dumps(posted))
    said = json.loads(connection.getresponse().read())
    connection.close()
    return said


def test_a_picture_and_a_question_get_an_answer_of_both_models(adapted: Path) -> None:
    picture = next(load_settings().data.root.glob("images/small/*/*.jpg"))
    other_adapter(adapted)
    process = started(["serve", "--port", "0"])
    try:
        assert process.stdout
        found = next(filter(None, (re.search(r"127\.0\.0\.1:(\d+)", line) for line in process.stdout)))
        content = base64.b64encode(picture.read_bytes()).decode()
        posted = {"picture": content, "question": "What color is it?", "adapter": "models/adapter/best"}
        said = asked(int(found[1]), posted)
        of_photos = asked(int(found[1]), posted | {"adapter": "models/adapter-photos"})
        refused = asked(int(found[1]), posted | {"adapter": "../elsewhere"})
    finally:
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=600)
    assert list(said) == ["base", "adapted"]
    for answers in said.values():
        probabilities = [answer["probability"] for answer in answers]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 1 <= len(answers) <= 3
    assert said["base"] != said["adapted"]
    assert of_photos["base"] != said["base"]  # another model
    assert refused == {"error": "there is no adapter '../elsewhere'; load the page again"}
    assert "Traceback" not in printed
