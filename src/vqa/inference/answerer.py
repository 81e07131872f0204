"""Images and questions → answers with probabilities, by a model in use.

The training pairs of an adapter in short: a small model misreads wordings that it was not trained on.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from vqa.catalogue.images import ImageError, load_image
from vqa.core.devices import TOO_LARGE, with_oom_hint
from vqa.core.errors import InputError
from vqa.core.files import read_object, write_json
from vqa.pairs.answer_normalization import first_word
from vqa.pairs.pair import Pair, read_pairs
from vqa.scoring.calibration import TEMPERATURES, UNCALIBRATED, read_calibration
from vqa.settings import Settings
from vqa.vlm import attached_adapter
from vqa.vlm.base_model import check_fits, saved_model_name
from vqa.vlm.generation import distinct
from vqa.vlm.image_features import Features, ImageFeatures, together
from vqa.vlm.loading import Pretrained


@dataclass(frozen=True)
class Answer:
    """A one-word answer and the probability the model gives it."""

    word: str
    probability: float


@dataclass(frozen=True)
class Reply:
    """The reply to one question: answers, the best first, or the reason why there is none."""

    answers: tuple[Answer, ...] = ()
    problem: str = ""
    is_unsure: bool = False  # there was an answer, less probable than was wanted; `problem` says so


def withheld(reply: Reply, at_least: float) -> Reply:
    """The reply without answers less probable than `at_least`; with none left it is unsure."""
    sure = tuple(answer for answer in reply.answers if answer.probability >= at_least)
    if sure or not reply.answers:
        return replace(reply, answers=sure)
    best = reply.answers[0]
    return Reply(problem=f"{best.word} {best.probability:.2f} is below {at_least}", is_unsure=True)


class Answerer:
    """A model with its image encoder: the baseline, or with an adapter that can be switched off."""

    calibration = UNCALIBRATED  # of the adapter

    def __init__(
        self, settings: Settings, device: torch.device, adapter: Path | None, is_switched: bool = False
    ) -> None:
        """`adapter`: its folder, or None for the baseline. `is_switched`: `answers` will also be
        asked without it; else it is merged, which answers faster.

        Raises:
            InputError: no model, no adapter, or an adapter of another model.
        """
        pretrained = Pretrained.of(settings.model)
        if adapter is not None:
            check_fits(adapter, pretrained.identity(device))
        level, prompt = settings.features.level, settings.model.prompt
        self._encoder, self._model = pretrained.load_model_parts(prompt, device, level)
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
        """Features of images, computed once for any number of questions.

        Raises:
            InputError: so many do not fit into memory.
        """
        pixels = self._encoder.pixels(images)

        def image_features(count: int) -> Features:
            return self._encoder.features(pixels[:count])

        return with_oom_hint(image_features, len(images), "images", "decoding.batch_size", TOO_LARGE)

    def answers(
        self,
        features: Features,
        questions: Sequence[str],
        count: int = 1,
        is_adapted: bool = True,
        images: Sequence[int] | None = None,
    ) -> list[tuple[Answer, ...]]:
        """At most `count` answers to each question, the likeliest first; `is_adapted` False: with the
        adapter off. Question i is about entry `images[i]` of `features`; None: about entry i.

        Continuations with the same first word are one answer; its probability is their sum. An adapter's are
        at the temperature that lies beside it.

        Raises:
            InputError: so many do not fit into memory, or a question is too long.
        """
        of = list(range(len(questions)) if images is None else images)
        temperature = self.calibration.temperature if is_adapted else UNCALIBRATED.temperature

        def answer(size: int) -> list[list[tuple[str, float]]]:
            part_features = features[: max(of[:size]) + 1]
            return self._model.likeliest_texts(
                questions[:size], part_features, self._max_new_tokens, count, of[:size], temperature
            )

        with nullcontext() if is_adapted or self._adapter is None else self._adapter.disabled():
            texts = with_oom_hint(answer, len(questions), "questions", "decoding.batch_size", TOO_LARGE)
        return [_answers(of_question) for of_question in texts]

    def replies(self, asked: Sequence[tuple[Path, str]], count: int, batch_size: int) -> Iterator[Reply]:
        """A reply to each (image file, question), in order; an image that cannot be read, or a question
        that is too long, has a problem instead.

        Consecutive questions about an image share one encoding and one image prefix.
        """
        encoded: dict[Path, Tensor | ImageFeatures | str] = {}
        for start in range(0, len(asked), batch_size):
            batch = asked[start : start + batch_size]
            encoded = {path: encoded[path] for path, _ in batch if path in encoded} | self._encoded(
                [path for path in dict.fromkeys(path for path, _ in batch) if path not in encoded]
            )
            rows = [(self._too_long(question) or encoded[path], path, question) for path, question in batch]
            readable = [(path, question) for row, path, question in rows if not isinstance(row, str)]
            batch_answers: Iterator[tuple[Answer, ...]] = iter(())
            if readable:
                paths, questions = zip(*readable, strict=True)
                once, images = distinct(paths)
                features = together([row for path in once if not isinstance(row := encoded[path], str)])
                batch_answers = iter(self.answers(features, questions, count, images=images))
            for row, _, _ in rows:
                yield Reply(problem=row) if isinstance(row, str) else Reply(next(batch_answers))

    def at_temperatures(self, path: Path, questions: Sequence[str]) -> list[tuple[str, list[float]]]:
        """The greedy answer to each question about an image, and its log probability at each temperature.

        Raises:
            ImageError: the image cannot be read.
        """
        features = self.features([load_image(path)])
        texts, logs = self._model.texts_at_temperatures(
            questions, features, self._max_new_tokens, TEMPERATURES, [0] * len(questions)
        )
        return [(first_word(text), row) for text, row in zip(texts, logs.tolist(), strict=True)]

    def _too_long(self, question: str) -> str:
        return self._model.tokens.too_long(question, self._max_new_tokens)

    def _encoded(self, paths: Sequence[Path]) -> dict[Path, Tensor | ImageFeatures | str]:
        """Features of each image, or why there are none."""
        images: dict[Path, Image.Image] = {}
        encoded: dict[Path, Tensor | ImageFeatures | str] = {}
        for path in paths:
            try:
                images[path] = load_image(path)
            except ImageError as error:
                encoded[path] = str(error)
        if images:
            encoded |= dict(zip(images, self.features(list(images.values())), strict=True))
        return encoded


def _answers(texts: Sequence[tuple[str, float]]) -> tuple[Answer, ...]:
    sums: dict[str, float] = {}
    for text, probability in texts:
        word = first_word(text).lower()
        sums[word] = sums.get(word, 0.0) + probability
    return tuple(Answer(word, p) for word, p in sorted(sums.items(), key=lambda item: -item[1]))


_FILE = "training_summary.json"
_OLD_FILE = "taught.json"  # of adapters made before, with "pictures" for images
_OF_A_TYPE = 3  # wordings: few enough for a person to read


@dataclass(frozen=True)
class TrainingSummary:
    """The training pairs of an adapter, in short."""

    data: str  # data.root
    pairs: int
    images: int
    questions: list[str]  # the commonest of each type; the commonest type first

    def __str__(self) -> str:
        return f"trained on {self.pairs:,} questions about {self.images:,} images of {self.data}"


def summarize_training(pairs: Sequence[Pair], data: Path) -> TrainingSummary:
    by_type: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        by_type[pair.question_type][pair.question] += 1
    types = sorted(by_type.values(), key=lambda counts: -counts.total())
    commonest = (sorted(counts, key=lambda text: (-counts[text], text))[:_OF_A_TYPE] for counts in types)
    questions = [question for of_type in commonest for question in of_type]
    return TrainingSummary(data.as_posix(), len(pairs), len({pair.image_name for pair in pairs}), questions)


def write_training_summary(adapter: Path, summary: TrainingSummary) -> None:
    """Write the summary beside an adapter that is used without its pairs."""
    write_json(adapter / _FILE, asdict(summary))


def read_training_summary(adapter: Path, train: Path, data: Path) -> TrainingSummary | None:
    """What is written beside the adapter; else what `train`, the pairs at hand, say; None without either."""
    if (adapter / _FILE).is_file():
        return TrainingSummary(**read_object(adapter / _FILE))
    if (adapter / _OLD_FILE).is_file():
        old = read_object(adapter / _OLD_FILE)
        return TrainingSummary(images=old.pop("pictures"), **old)
    return summarize_training(read_pairs(train), data) if train.is_file() else None


def with_adapter_model(adapter: Path, settings: Settings) -> Settings:
    """The settings, with the model that the adapter was made for where that is another folder of ours.

    Raises:
        InputError: there is no such adapter.
    """
    if not (adapter / "adapter_config.json").is_file():
        there = sorted(path.parent.as_posix() for path in Path("models").rglob("adapter_config.json"))
        others = f"there are {', '.join(there)}" if there else "run dvc repro train, or dvc pull"
        raise InputError(f"{adapter} holds no adapter; {others}")
    name = saved_model_name(adapter)
    if name is None or name == settings.model.name or not Path(name).is_dir():
        return settings
    return replace(settings, model=replace(settings.model, name=name, dvc_dep=name, revision=None))
