"""Try both models in the browser, or by OpenAI's client.

    python src serve            # http://127.0.0.1:8010, this machine only

In: params.yaml, models/adapter/best and models/adapter-photos (what there is of them), their models. Out: a
page that takes a picture and a question and shows what both models answer, with probabilities; beside it
/v1/models and /v1/chat/completions, as OpenAI has them (docs/other_tools.md). Nothing is stored; a picture
may have 10 MB at most.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from vqa.catalogue.pictures import decoded
from vqa.foundation.command_line import command_line
from vqa.foundation.devices import default_device
from vqa.foundation.errors import InputError
from vqa.inference.answerer import Answer, Answerer
from vqa.inference.chat_completions import ChatRequest, bare_question
from vqa.inference.server import HOST, PageServer
from vqa.inference.taught import read_taught, with_model_of
from vqa.pages.page import page
from vqa.scoring.calibration import WANTED, read_calibration
from vqa.settings import Settings, load_settings

TRAIN = Path("data/vqa/train.csv")
# What was run here; photographs. And what a client calls each, without its adapter and with it.
ADAPTERS = {
    Path("models/adapter/best"): ("baseline", "adapter"),
    Path("models/adapter-photos"): ("baseline-photos", "adapter-photos"),
}
_SHOWN = 3  # answers of each model
_ANY_QUESTION = "What color is it?"


def run(port: Annotated[int, typer.Option(help="0: any that is free")] = 8010) -> None:
    settings = load_settings()
    there = [adapter for adapter in ADAPTERS if adapter.is_dir()] or list(ADAPTERS)[:1]
    offered = {adapter.as_posix(): with_model_of(adapter, settings) for adapter in there}
    served = _Served(offered, default_device())
    served.load_adapter(next(iter(offered)))  # what cannot be loaded is said before anybody asks
    shown = [_shown(adapter, of_adapter) for adapter, of_adapter in offered.items()]
    html = page("serve.html", {"models": shown, "wanted": WANTED})
    with PageServer(port, html, served.answer_both, list(served.models), served.answer_chat) as serving:
        print(f"http://{HOST}:{serving.server_port} (Ctrl-C ends it)", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print("ended")


class _Served:
    """The adapters and their models, each loaded when it is first asked; one question at a time."""

    def __init__(self, offered: Mapping[str, Settings], device: torch.device) -> None:
        """`offered`: by the adapter's folder."""
        self._offered, self._device = offered, device
        self._loaded: dict[str, Answerer] = {}
        self._lock = threading.Lock()  # one device, and decoding a picture can take a gigabyte
        self.models = {  # name → folder, and whether the adapter is on
            name: (folder, is_adapted)
            for folder in offered
            for name, is_adapted in zip(ADAPTERS[Path(folder)], (False, True), strict=True)
        }

    def load_adapter(self, folder: str) -> Answerer:
        if folder not in self._loaded:
            self._loaded[folder] = Answerer(
                self._offered[folder], self._device, Path(folder), is_switched=True
            )
        return self._loaded[folder]

    def answer_both(self, picture: bytes, question: str, adapter: str) -> dict[str, Any]:
        """What the page shows: answers of the base model and of the adapted one.

        Raises:
            InputError: no such adapter, a question that is too long.
            ImageError: a picture that cannot be used.
        """
        if adapter not in self._offered:
            raise InputError(f"there is no adapter {adapter!r}; load the page again")
        with self._lock:
            answerer = self.load_adapter(adapter)
            features = answerer.features([decoded(picture)])
            said = {
                name: answerer.answers(features, [question], _SHOWN, is_adapted=name == "adapted")[0]
                for name in ("base", "adapted")
            }
        return {name: [vars(answer) for answer in answers] for name, answers in said.items()}

    def answer_chat(self, request: ChatRequest) -> tuple[Answer, ...]:
        """What a client is told: the pipeline's answer, and as many others as it wants at least.

        Raises:
            InputError: a question that is too long.
            ImageError: an image that cannot be used.
        """
        folder, is_adapted = self.models[request.model]
        question = bare_question(request.question, self._offered[folder].model.prompt)
        with self._lock:
            answerer = self.load_adapter(folder)
            features = answerer.features([decoded(request.image)])
            count = max(1, request.alternatives)
            (answers,) = answerer.answers(features, [question], count, is_adapted=is_adapted)
        return answers


def _shown(adapter: str, settings: Settings) -> dict[str, Any]:
    """What the page says of an adapter; the first question is filled in."""
    taught = read_taught(Path(adapter), TRAIN, settings.data.root)
    questions = taught.questions if taught else [_ANY_QUESTION]
    seen = str(taught) if taught else "taught by pairs that are not here"
    at_least = read_calibration(Path(adapter)).at_least
    return {
        "adapter": adapter,
        "model": settings.model.name,
        "taught": seen,
        "questions": questions,
        "at_least": at_least,  # from which on WANTED of the answers were right; None: not known
    }


app = command_line(__doc__, run)
