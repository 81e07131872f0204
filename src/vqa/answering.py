"""Pictures and questions → answers with probabilities: an adapted model in use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from vqa import lora
from vqa.blip2 import AnswerModel, ImageEncoder
from vqa.checkpoint import Checkpoint
from vqa.errors import InputError
from vqa.files import read_json
from vqa.images import ImageError, load_image
from vqa.pairs import first_word
from vqa.settings import Settings


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


class Answerer:
    """A model that looks at pictures itself: encoder and, by name, one or more answering halves."""

    def __init__(self, settings: Settings, device: torch.device, adapters: Mapping[str, Path | None]) -> None:
        """`adapters`: name → adapter folder, or None for the model as it came.

        Raises:
            InputError: no model, no adapter, or an adapter of another model.
        """
        checkpoint = Checkpoint.of(settings.model)
        for adapter in adapters.values():
            if adapter is not None:
                check_fits(adapter, settings.model.name)
        level, prompt = settings.features.level, settings.model.prompt
        whole, processor = checkpoint.load(device), checkpoint.load_processor()
        self._encoder = ImageEncoder(whole, processor, device, level)
        self._models: dict[str, AnswerModel] = {}
        for name, folder in adapters.items():
            # The first takes the language model that came with the encoder, the next need their own.
            model = whole if not self._models else checkpoint.load(device)
            self._models[name] = AnswerModel(model, processor, prompt, device, level).eval()
            if folder is not None:
                is_merged = settings.model.quantization == "none"
                lora.merge(self._models[name], folder, is_merged=is_merged)
        self._max_new_tokens = settings.evaluate.max_new_tokens

    @torch.inference_mode()
    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """Features `[B, rows, size]` of pictures: made once, asked about often."""
        return self._encoder.features(self._encoder.pixels(images))

    def answers(
        self, name: str, features: Tensor, questions: Sequence[str], count: int = 1
    ) -> list[tuple[Answer, ...]]:
        """At most `count` answers of the model `name` to each question, the likeliest first.

        Continuations with the same first word are one answer; its probability is their sum.
        """
        texts = self._models[name].likeliest_texts(questions, features, self._max_new_tokens, count)
        return [_answers(of_question) for of_question in texts]

    def replies(
        self, name: str, asked: Sequence[tuple[Path, str]], count: int, batch_size: int
    ) -> Iterator[Reply]:
        """A reply to each (picture file, question), in order; a picture that cannot be read has a problem.

        A picture is looked at once for all the questions in a row about it.
        """
        seen: dict[Path, Tensor | str] = {}
        for start in range(0, len(asked), batch_size):
            batch = asked[start : start + batch_size]
            seen = {path: seen[path] for path, _ in batch if path in seen} | self._looked_at(
                [path for path in dict.fromkeys(path for path, _ in batch) if path not in seen]
            )
            rows = [(seen[path], question) for path, question in batch]
            readable = [(row, question) for row, question in rows if isinstance(row, Tensor)]
            said: Iterator[tuple[Answer, ...]] = iter(())
            if readable:
                features, questions = zip(*readable, strict=True)
                said = iter(self.answers(name, torch.stack(features), questions, count))
            for row, _ in rows:
                yield Reply(next(said)) if isinstance(row, Tensor) else Reply(problem=row)

    def _looked_at(self, paths: Sequence[Path]) -> dict[Path, Tensor | str]:
        """Features of each picture, or why there are none."""
        images: dict[Path, Image.Image] = {}
        found: dict[Path, Tensor | str] = {}
        for path in paths:
            try:
                images[path] = load_image(path)
            except ImageError as error:
                found[path] = str(error)
        if images:
            found |= dict(zip(images, self.features(list(images.values())), strict=True))
        return found


def check_fits(adapter: Path, model_name: str) -> None:
    """An adapter knows which model it was made for.

    Raises:
        InputError: there is no adapter, or it is another model's.
    """
    config = adapter / "adapter_config.json"
    if not config.is_file():
        raise InputError(f"{adapter} holds no adapter; run dvc repro train, or dvc pull")
    made_for = read_json(config)["base_model_name_or_path"]
    if made_for != model_name:
        raise InputError(
            f"{adapter} adapts {made_for}, but params.yaml: model.name is {model_name}; set it to "
            f"{made_for}, or run dvc repro"
        )


def _answers(texts: Sequence[tuple[str, float]]) -> tuple[Answer, ...]:
    sums: dict[str, float] = {}
    for text, probability in texts:
        word = first_word(text).lower()
        sums[word] = sums.get(word, 0.0) + probability
    return tuple(Answer(word, p) for word, p in sorted(sums.items(), key=lambda item: -item[1]))
