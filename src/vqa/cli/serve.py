"""Try base against adapted on your own pictures, in the browser.

    python src serve            # http://127.0.0.1:8010, this machine only

In: params.yaml, models/adapter/best and models/adapter-photos (what there is of them), their models. Out: a
page that takes a picture and a question and shows what both models answer, with probabilities. Nothing is
stored; a picture may have 10 MB at most.
"""

import threading
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from vqa.catalogue.pictures import decoded
from vqa.foundation.command_line import command_line
from vqa.foundation.devices import default_device
from vqa.foundation.errors import InputError
from vqa.inference.answerer import Answerer
from vqa.inference.server import HOST, PageServer
from vqa.inference.taught import read_taught, with_model_of
from vqa.pages.page import page
from vqa.settings import Settings, load_settings

TRAIN = Path("data/vqa/train.csv")
ADAPTERS = (Path("models/adapter/best"), Path("models/adapter-photos"))  # what was run here; photographs
_SHOWN = 3  # answers of each model
_ANY_QUESTION = "What color is it?"


def run(port: Annotated[int, typer.Option(help="0: any that is free")] = 8010) -> None:
    settings, device = load_settings(), default_device()
    there = [adapter for adapter in ADAPTERS if adapter.is_dir()] or [ADAPTERS[0]]
    offered = {adapter.as_posix(): with_model_of(adapter, settings) for adapter in there}
    lock = threading.Lock()  # one device, one question at a time

    @cache
    def answerer_of(adapter: str) -> Answerer:
        return Answerer(offered[adapter], device, Path(adapter), is_switched=True)

    def reply(picture: bytes, question: str, adapter: str) -> dict[str, Any]:
        if adapter not in offered:
            raise InputError(f"there is no adapter {adapter!r}; load the page again")
        with lock:  # also while decoding: a picture can take a gigabyte
            answerer = answerer_of(adapter)
            features = answerer.features([decoded(picture)])
            said = {
                name: answerer.answers(features, [question], _SHOWN, is_adapted=name == "adapted")[0]
                for name in ("base", "adapted")
            }
        return {name: [vars(answer) for answer in answers] for name, answers in said.items()}

    answerer_of(next(iter(offered)))  # what cannot be loaded is said before anybody asks
    models = [_shown(adapter, of_adapter) for adapter, of_adapter in offered.items()]
    with PageServer(port, page("serve.html", {"models": models}), reply) as serving:
        print(f"http://{HOST}:{serving.server_port} (Ctrl-C ends it)", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print("ended")


def _shown(adapter: str, settings: Settings) -> dict[str, Any]:
    """What the page says of an adapter; the first question is filled in."""
    taught = read_taught(Path(adapter), TRAIN, settings.data.root)
    questions = taught.questions if taught else [_ANY_QUESTION]
    seen = str(taught) if taught else "taught by pairs that are not here"
    return {"adapter": adapter, "model": settings.model.name, "taught": seen, "questions": questions}


app = command_line(__doc__, run)
