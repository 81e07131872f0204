"""Try base against adapted on your own pictures, in the browser.

    python src serve            # http://127.0.0.1:8010, this machine only

In: params.yaml (the model), models/adapter/best. Out: a page that takes a picture and a question and shows
what both models answer, with probabilities. Nothing is stored; a picture may have 10 MB at most.
"""

import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.catalogue.pictures import decoded
from vqa.foundation.command_line import command_line
from vqa.foundation.devices import default_device
from vqa.inference.answerer import Answerer
from vqa.inference.server import HOST, PageServer
from vqa.pages.page import page
from vqa.settings import load_settings

ADAPTER = Path("models/adapter/best")
_SHOWN = 3  # answers of each model


def run(port: Annotated[int, typer.Option(help="0: any that is free")] = 8010) -> None:
    settings = load_settings()
    answerer = Answerer(settings, default_device(), ADAPTER, is_switched=True)
    lock = threading.Lock()  # one device, one question at a time

    def reply(picture: bytes, question: str) -> dict[str, Any]:
        with lock:  # also while decoding: a picture can take a gigabyte
            features = answerer.features([decoded(picture)])
            said = {
                name: answerer.answers(features, [question], _SHOWN, is_adapted=name == "adapted")[0]
                for name in ("base", "adapted")
            }
        return {name: [vars(answer) for answer in answers] for name, answers in said.items()}

    with PageServer(port, page("serve.html", {"model": settings.model.name}), reply) as serving:
        print(f"http://{HOST}:{serving.server_port} (Ctrl-C ends it)", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print("ended")


app = command_line(__doc__, run)
