"""Try both models in the browser, or by OpenAI's client.

    python src serve            # http://127.0.0.1:8010, this machine only

In: params.yaml, models/adapter/best and models/adapter-photos (what there is of them), their models, and for
the examples data/vqa/test.csv with its images. Out: a page that takes an image and a question and shows what
the baseline and the adapter answer, with probabilities; it offers the adapter for photographs first when the
image is one. Beside it /v1/models and /v1/chat/completions, as OpenAI has them (docs/other_tools.md). Nothing
is stored; an image may have 10 MB at most.
"""

import base64
import mimetypes
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import decoded
from vqa.catalogue.manifest import DRAWN, read_tree
from vqa.core.cli import command_line
from vqa.core.devices import default_device
from vqa.core.errors import InputError
from vqa.inference.answerer import Answer, Answerer, read_training_summary, with_adapter_model
from vqa.inference.chat_completions import ChatRequest, bare_question
from vqa.inference.server import HOST, PageServer
from vqa.pages.page import page
from vqa.pairs.pair import read_pairs
from vqa.scoring.calibration import WANTED, read_calibration
from vqa.settings import Settings, load_settings

_COMMONEST = 8  # colours that a flat drawing is nearly all made of, beside its background
_LEAST_SHARE = 0.68  # of pixels in other colours
_LARGEST_DRAWING = 128  # pixels a side: data/demo's drawings have grain and shadows, and as many colours


# Tells photographs from drawings by their number of colours, to offer the fitting adapter first.
#
# Of 1,000 photographs of Amazon Berkeley Objects (256 pixels, most on white) 903 are taken for photographs.
# Of 400 flat drawings of at most seven shapes (half of them saved as JPEG) none is, nor of 200 of data/demo.
@dataclass(frozen=True)
class ColourCount:
    """What decides whether an image is a photograph."""

    longer_side: int  # pixels
    rare_share: float  # of the pixels not in the commonest colour: those in none of the next eight

    @property
    def is_photograph(self) -> bool:
        return self.longer_side > _LARGEST_DRAWING and self.rare_share >= _LEAST_SHARE

    def __str__(self) -> str:
        kind = "photograph" if self.is_photograph else "drawing"
        return (
            f"Taken for a {kind}: beside its commonest colour, {self.rare_share:.0%} of the image is in none "
            f"of its next {_COMMONEST} colours, and its longer side has {self.longer_side} pixels. A "
            f"photograph has {_LEAST_SHARE:.0%} at least, and more than {_LARGEST_DRAWING} pixels."
        )


def count_colours(image: Image.Image) -> ColourCount:
    """`image`: RGB, of any size."""
    values = np.asarray(image, dtype=np.int64).reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1])
    _, counts = np.unique(values, return_counts=True)
    counts = np.sort(counts)[::-1]  # the commonest colour first
    attached, rare = counts[1:].sum(), counts[1 + _COMMONEST :].sum()
    return ColourCount(max(image.size), float(rare / attached) if attached else 0.0)


TRAIN, TEST = Path("data/vqa/train.csv"), Path("data/vqa/test.csv")
# What was run here; photographs. And what a client calls each, without its adapter and with it.
ADAPTERS = {
    Path("models/adapter/best"): ("baseline", "adapter"),
    Path("models/adapter-photos"): ("baseline-photos", "adapter-photos"),
}
_SHOWN = 3  # answers of each model
_ANY_QUESTION = "What color is it?"
_EXAMPLES = 3  # images to click
_LARGEST_EXAMPLE = 500_000  # bytes


def run(port: Annotated[int, typer.Option(help="0: any that is free")] = 8010) -> None:
    settings = load_settings()
    there = [adapter for adapter in ADAPTERS if adapter.is_dir()] or list(ADAPTERS)[:1]
    offered = {adapter.as_posix(): with_adapter_model(adapter, settings) for adapter in there}
    served = _Served(offered, default_device())
    served.load_adapter(
        next(iter(offered))
    )  # a model that cannot be loaded is reported before the first question
    shown = [describe_adapter(adapter, of_adapter) for adapter, of_adapter in offered.items()]
    examples = find_examples(TEST, read_tree(settings.data.root))
    html = page("serve.html", {"models": shown, "wanted": WANTED, "examples": examples})
    with PageServer(
        port, html, served.answer_both, describe_kind, list(served.models), served.answer_chat
    ) as serving:
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
        self._lock = threading.Lock()  # one device, and decoding an image can take a gigabyte
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

    def answer_both(self, image: bytes, question: str, adapter: str) -> dict[str, Any]:
        """What the page shows: answers of the baseline and of the adapter.

        Raises:
            InputError: no such adapter, a question that is too long.
            ImageError: an image that cannot be used.
        """
        if adapter not in self._offered:
            raise InputError(f"there is no adapter {adapter!r}; load the page again")
        with self._lock:
            answerer = self.load_adapter(adapter)
            features = answerer.features([decoded(image)])
            by_system = {
                name: answerer.answers(features, [question], _SHOWN, is_adapted=name == "adapted")[0]
                for name in ("base", "adapted")
            }
        return {name: [vars(answer) for answer in answers] for name, answers in by_system.items()}

    def answer_chat(self, request: ChatRequest) -> tuple[Answer, ...]:
        """The reply to a client: the pipeline's answer, and at least as many others as it asked for.

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


def describe_kind(image: bytes) -> dict[str, Any]:
    """Whether an image's bytes are a photograph, and the sentence that says how that was told.

    Raises:
        ImageError: they cannot be used.
    """
    colours = count_colours(decoded(image))
    return {"is_photograph": colours.is_photograph, "sentence": str(colours)}


def find_examples(test: Path, root: Path) -> list[dict[str, str]]:
    """The first test images, as their files are, with a question each; none where they are not here."""
    if not test.is_file():
        return []
    questions: dict[str, str] = {}
    for pair in read_pairs(test):
        questions.setdefault(pair.image_name, pair.question)
    files = ((image_path(root, name), question) for name, question in questions.items())
    usable = [(file, question) for file, question in files if _is_small_file(file)]
    return [
        {
            "url": f"data:{mimetypes.guess_type(file.name)[0]};base64,"
            + base64.b64encode(file.read_bytes()).decode(),
            "question": question,
        }
        for file, question in usable[:_EXAMPLES]
    ]


def _is_small_file(file: Path) -> bool:
    return file.is_file() and file.stat().st_size <= _LARGEST_EXAMPLE


def describe_adapter(adapter: str, settings: Settings) -> dict[str, Any]:
    """What the page shows of an adapter; its first question is filled in."""
    summary = read_training_summary(Path(adapter), TRAIN, settings.data.root)
    data, training = settings.data.root, "trained on questions that are not here"
    if summary:
        data = Path(summary.data)
        training = f"trained on {summary.pairs:,} questions about {summary.images:,} images of {summary.data}"
    is_drawn = read_tree(data).resolve() == DRAWN.resolve()
    return {
        "adapter": adapter,
        "model": settings.model.name,
        "taught": f"{training}, which are drawings" if is_drawn else training,
        "is_for_photographs": not is_drawn,
        "questions": summary.questions if summary else [_ANY_QUESTION],
        # From which probability on WANTED of the answers were right; None: not known.
        "at_least": read_calibration(Path(adapter)).at_least,
    }


app = command_line(__doc__, run)
