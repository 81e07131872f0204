"""Pictures and questions → answers with probabilities: an adapted model in use."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from vqa.catalogue.pictures import ImageError, load_image
from vqa.foundation.memory import TOO_LARGE, in_batches_that_fit
from vqa.pairs.normal_form import first_word
from vqa.scoring.calibration import TEMPERATURES, UNCALIBRATED, read_calibration
from vqa.settings import Settings
from vqa.vlm import attached_adapter
from vqa.vlm.base_model import check_fits
from vqa.vlm.generation import distinct
from vqa.vlm.looks import Features, Look, together
from vqa.vlm.pretrained import Pretrained


@dataclass(frozen=True)
class Answer:
    """A one-word answer and the probability the model gives it."""

    word: str
    probability: float


@dataclass(frozen=True)
class Reply:
    """What came of one question: answers, the best first, or the reason why there is none."""

    answers: tuple[Answer, ...] = ()
    problem: str = ""
    is_unsure: bool = False  # there was an answer, less probable than was wanted; `problem` says so


def withheld(reply: Reply, at_least: float) -> Reply:
    """The reply without answers less probable than `at_least`; with none left it is unsure."""
    kept = tuple(answer for answer in reply.answers if answer.probability >= at_least)
    if kept or not reply.answers:
        return replace(reply, answers=kept)
    best = reply.answers[0]
    return Reply(problem=f"{best.word} {best.probability:.2f} is below {at_least}", is_unsure=True)


class Answerer:
    """A model that looks at pictures itself: as it came, or with an adapter that can be switched off."""

    calibration = UNCALIBRATED  # of the adapter

    def __init__(
        self, settings: Settings, device: torch.device, adapter: Path | None, is_switched: bool = False
    ) -> None:
        """`adapter`: its folder, or None for the model as it came. `is_switched`: `answers` will also be
        asked without it; else it is merged, which answers faster.

        Raises:
            InputError: no model, no adapter, or an adapter of another model.
        """
        pretrained = Pretrained.of(settings.model)
        if adapter is not None:
            check_fits(adapter, pretrained.identity(device))
        level, prompt = settings.features.level, settings.model.prompt
        self._encoder, self._model = pretrained.load_halves(prompt, device, level)
        self._adapter: attached_adapter.AttachedAdapter | None = None
        if adapter is not None and is_switched:
            self._adapter = attached_adapter.AttachedAdapter(self._model, adapter)
        elif adapter is not None:
            attached_adapter.merge(self._model, adapter, is_merged=settings.model.quantization == "none")
        self._max_new_tokens = settings.decoding.max_new_tokens
        if adapter is not None:
            self.calibration = read_calibration(adapter)

    @torch.inference_mode()
    def features(self, images: Sequence[Image.Image]) -> Features:
        """Features of pictures: made once, asked about often.

        Raises:
            InputError: so many do not fit into memory.
        """
        pixels = self._encoder.pixels(images)

        def look(count: int) -> Features:
            return self._encoder.features(pixels[:count])

        return in_batches_that_fit(look, len(images), "pictures", "decoding.batch_size", TOO_LARGE)

    def answers(
        self,
        features: Features,
        questions: Sequence[str],
        count: int = 1,
        is_adapted: bool = True,
        pictures: Sequence[int] | None = None,
    ) -> list[tuple[Answer, ...]]:
        """At most `count` answers to each question, the likeliest first; `is_adapted` False: with the
        adapter off. Question i is about entry `pictures[i]` of `features`; None: about entry i.

        Continuations with the same first word are one answer; its probability is their sum. An adapter's are
        at the temperature that lies beside it.

        Raises:
            InputError: so many do not fit into memory, or a question is too long.
        """
        of = list(range(len(questions)) if pictures is None else pictures)
        temperature = self.calibration.temperature if is_adapted else UNCALIBRATED.temperature

        def answer(size: int) -> list[list[tuple[str, float]]]:
            seen = features[: max(of[:size]) + 1]
            return self._model.likeliest_texts(
                questions[:size], seen, self._max_new_tokens, count, of[:size], temperature
            )

        with nullcontext() if is_adapted or self._adapter is None else self._adapter.disabled():
            texts = in_batches_that_fit(answer, len(questions), "questions", "decoding.batch_size", TOO_LARGE)
        return [_answers(of_question) for of_question in texts]

    def replies(self, asked: Sequence[tuple[Path, str]], count: int, batch_size: int) -> Iterator[Reply]:
        """A reply to each (picture file, question), in order; a picture that cannot be read, or a question
        that is too long, has a problem instead.

        A picture is looked at, and read by the language model, once for all the questions in a row about it.
        """
        seen: dict[Path, Tensor | Look | str] = {}
        for start in range(0, len(asked), batch_size):
            batch = asked[start : start + batch_size]
            seen = {path: seen[path] for path, _ in batch if path in seen} | self._looked_at(
                [path for path in dict.fromkeys(path for path, _ in batch) if path not in seen]
            )
            rows = [(self._too_long(question) or seen[path], path, question) for path, question in batch]
            readable = [(path, question) for row, path, question in rows if not isinstance(row, str)]
            said: Iterator[tuple[Answer, ...]] = iter(())
            if readable:
                paths, questions = zip(*readable, strict=True)
                once, pictures = distinct(paths)
                features = together([row for path in once if not isinstance(row := seen[path], str)])
                said = iter(self.answers(features, questions, count, pictures=pictures))
            for row, _, _ in rows:
                yield Reply(problem=row) if isinstance(row, str) else Reply(next(said))

    def at_temperatures(self, path: Path, questions: Sequence[str]) -> list[tuple[str, list[float]]]:
        """The greedy answer to each question about a picture, and its log probability at each temperature.

        Raises:
            ImageError: the picture cannot be read.
        """
        features = self.features([load_image(path)])
        texts, logs = self._model.texts_at_temperatures(
            questions, features, self._max_new_tokens, TEMPERATURES, [0] * len(questions)
        )
        return [(first_word(text), row) for text, row in zip(texts, logs.tolist(), strict=True)]

    def _too_long(self, question: str) -> str:
        return self._model.tokens.too_long(question, self._max_new_tokens)

    def _looked_at(self, paths: Sequence[Path]) -> dict[Path, Tensor | Look | str]:
        """Features of each picture, or why there are none."""
        images: dict[Path, Image.Image] = {}
        found: dict[Path, Tensor | Look | str] = {}
        for path in paths:
            try:
                images[path] = load_image(path)
            except ImageError as error:
                found[path] = str(error)
        if images:
            found |= dict(zip(images, self.features(list(images.values())), strict=True))
        return found


def _answers(texts: Sequence[tuple[str, float]]) -> tuple[Answer, ...]:
    sums: dict[str, float] = {}
    for text, probability in texts:
        word = first_word(text).lower()
        sums[word] = sums.get(word, 0.0) + probability
    return tuple(Answer(word, p) for word, p in sorted(sums.items(), key=lambda item: -item[1]))
