"""The two parts of every model here: the image encoder, images → features (frozen, run once an image), and
the answer model, features + question → loss and texts (adapted).

What a family adds is in its own module: `blip2` has its Q-Former, `image_text_model` the models whose
features transformers itself computes apart from the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from vqa.core.errors import InputError
from vqa.vlm.adapter_files import Places
from vqa.vlm.batching import IGNORED
from vqa.vlm.constrained_decoding import AnswerTree
from vqa.vlm.image_features import Features, chosen
from vqa.vlm.shared_prefix import Prefix, shared_rows


class Reader(Protocol):
    """Images → the model's input. Small, so that processes that decode images can be handed one."""

    def pixels(self, images: Sequence[Image.Image]) -> Any:
        """One entry for each image: `[B, 3, H, W]` fp32, or a list where images differ in size."""


class ImageEncoder(Protocol):
    """Pixels → features."""

    @property
    def reader(self) -> Reader: ...

    def pixels(self, images: Sequence[Image.Image]) -> Any:
        """See `Reader.pixels`."""

    def features(self, pixels: Any) -> Any:
        """`image_features.Features` of each entry of `pixels`, fp32."""


class Spelling(Protocol):
    """Questions and answers → token ids."""

    @property
    def tokenizer(self) -> Any: ...

    def answer_ids(self, answer: str) -> list[int]:
        """An answer without its end token."""

    def too_long(self, question: str, max_new_tokens: int, answer: str = "") -> str:
        """Why there is no room for a question and its answer; "" when there is."""


class AnswerModel(nn.Module, ABC):
    """Features and a question → loss, texts."""

    accepts_loss_kwargs = True  # tells transformers' Trainer that forward takes num_items_in_batch
    # Why an adapter cannot go into the Q-Former where there are no `queries`.
    NO_QUERIES: ClassVar[str]
    # Why the pairs of an image cannot share its prefix, "" where they can: see `shared_prefix`.
    sharing_refusal: str
    tokens: Spelling

    def __init__(
        self, language_model: Any, projection: nn.Module, queries: nn.Module | None, device: torch.device
    ) -> None:
        """`language_model`: what LoRA adapts; `projection`: of features into its width; `queries`: a Q-Former
        between the two, or None.
        """
        super().__init__()
        self.device = device
        self.language_model: Any = language_model.to(device)  # also PEFT-wrapped or merged
        self.projection = projection.to(device)
        self.queries: Any = queries.to(device) if queries is not None else None
        self.frozen_dtype: torch.dtype
        self._end_token_id: int
        self._pad_token_id: int
        # Trained weights are held in fp32 inside layers of half precision: their products need autocast.
        self.is_mixed = False

    @property
    @abstractmethod
    def places(self) -> Places:
        """Where the parts stand in the whole model."""

    def put_language_model(self, language_model: Any) -> None:
        """Replace the language model: by one wrapped in an adapter, or by one without it again."""
        self.language_model = language_model

    @abstractmethod
    def training_batch(
        self, questions: Sequence[str], answers: Sequence[str], features: Features | None = None
    ) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask`, `labels`: each `[B, T]` int64, right-padded.

        Only the answer and its end token carry a label. `features` of each question's image: read only
        where images take unequally many tokens.
        """

    def shared_batch(
        self, questions: Sequence[str], answers: Sequence[str], images: Sequence[int], features: Features
    ) -> dict[str, Tensor]:
        """The same for `forward` with each image's features once: see `shared_prefix.shared_rows`.

        Pair i is about entry `images[i]` of `features`; every entry has a pair.

        Raises:
            InputError: this model's pairs cannot share a prefix; it says why.
        """
        if self.sharing_refusal:
            raise InputError(
                f"the pairs of an image cannot share its prefix: {self.sharing_refusal}; set "
                "train.questions_per_prefix to 1"
            )
        prefixes, texts = self._split_prompts(questions, images, features)
        answer_rows = [self._answer_ids(answer) for answer in answers]
        return shared_rows(prefixes, texts, answer_rows, images, self._pad_token_id)

    def _split_prompts(
        self, questions: Sequence[str], images: Sequence[int], features: Features
    ) -> tuple[list[Prefix], list[list[int]]]:
        """The prefix of each entry of `features`, and the rest of each question's prompt behind it."""
        prompts = [self._prompt_ids(q, features[i]) for q, i in zip(questions, images, strict=True)]
        about = dict(zip(images, prompts, strict=True))
        prefixes = [self._prefix(about[image], features[image]) for image in range(len(features))]
        return prefixes, [prefixes[i].text_behind(p) for i, p in zip(images, prompts, strict=True)]

    @abstractmethod
    def _prompt_ids(self, question: str, seen: Any) -> list[int]:
        """The whole prompt about an image of which `seen` are the features."""

    @abstractmethod
    def _prefix(self, prompt: list[int], seen: Any) -> Prefix:
        """The part of `prompt` that it shares with every other prompt about the image."""

    @abstractmethod
    def _begun(
        self, questions: Sequence[str], features: Features, images: Sequence[int], new: int, num_beams: int
    ) -> tuple[dict[str, Any], int]:
        """What `generate` takes of prompts with room for `new` tokens, and how many tokens its output will
        repeat before them.
        """

    @property
    def shares_prefix(self) -> bool:
        """Whether the pairs of an image may share its prefix."""
        return not self.sharing_refusal

    @property
    def _speaker(self) -> Any:
        """What generates."""
        return self.language_model

    def _loss(
        self, logits: Tensor, wanted: Tensor, num_items_in_batch: Tensor | int | None
    ) -> dict[str, Tensor]:
        """`loss`: cross-entropy over labelled positions, fp32; `logits` `[labelled, vocabulary]`.

        `logits` and `wanted` are of the positions that `read` chose. `num_items_in_batch`: labelled positions
        of the whole optimiser step, over all its parts and processes, to divide by; without it, those of this
        batch.
        """
        total = functional.cross_entropy(logits.float(), wanted, ignore_index=IGNORED, reduction="sum")
        is_labelled = wanted != IGNORED
        count = is_labelled.sum() if num_items_in_batch is None else num_items_in_batch
        return {"loss": total / count, "logits": logits[is_labelled]}

    @torch.inference_mode()
    def texts(
        self,
        questions: Sequence[str],
        features: Features,
        max_new_tokens: int,
        num_beams: int = 1,
        min_new_tokens: int = 0,
        vocabulary: AnswerTree | None = None,
        images: Sequence[int] | None = None,
    ) -> list[str]:
        """Greedy (or beam) continuations for one batch: the text after the prompt, stripped.

        Left-padded, so that the batch a question sits in does not change its answer. `min_new_tokens`
        makes two models' work equal, to compare their speed; `vocabulary`: the allowed answers.
        Question i is about entry `images[i]` of `features`; None: about entry i.
        """
        options: dict[str, Any] = {"min_new_tokens": min_new_tokens, "num_beams": num_beams}
        sequences, repeated = self._generated(
            questions, features, max_new_tokens, options, images, vocabulary
        )
        return self._decoded(sequences[:, repeated:])

    @torch.inference_mode()
    def likeliest_texts(
        self,
        questions: Sequence[str],
        features: Features,
        max_new_tokens: int,
        count: int = 1,
        images: Sequence[int] | None = None,
        temperature: float = 1.0,
    ) -> list[list[tuple[str, float]]]:
        """For each question the `count` best continuations with their probabilities, the best first.

        With 1 the greedy one, as `texts`; with more those of a beam search of that width. A probability
        is the product over a continuation's tokens, its end included. `images`: as in `texts`;
        `temperature`: that logits are divided by in probabilities, which decides no token.
        """
        options: dict[str, Any] = {"num_beams": count, "num_return_sequences": count}
        options |= {"output_scores": True, "return_dict_in_generate": True}
        if count > 1:
            options["length_penalty"] = 0.0
        generated, repeated = self._generated(questions, features, max_new_tokens, options, images)
        probabilities = self._log_probabilities(generated, temperature).exp().tolist()
        both = list(zip(self._decoded(generated.sequences[:, repeated:]), probabilities, strict=True))
        # By the search's own order, which is that of temperature 1.
        return [both[start : start + count] for start in range(0, len(both), count)]

    @torch.inference_mode()
    def texts_at_temperatures(
        self,
        questions: Sequence[str],
        features: Features,
        max_new_tokens: int,
        temperatures: Sequence[float],
        images: Sequence[int] | None = None,
    ) -> tuple[list[str], Tensor]:
        """The greedy continuations, and their log probabilities `[B, temperatures]`."""
        options: dict[str, Any] = {"num_beams": 1, "output_scores": True, "return_dict_in_generate": True}
        generated, repeated = self._generated(questions, features, max_new_tokens, options, images)
        logs = [self._log_probabilities(generated, temperature) for temperature in temperatures]
        return self._decoded(generated.sequences[:, repeated:]), torch.stack(logs, dim=1)

    def _log_probabilities(self, found: Any, temperature: float) -> Tensor:
        """Of each of the generated sequences, `[B × count]`: the sum over its tokens, its end included."""
        # Greedy scores are logits, a beam search's log probabilities: divided, both need a sum of one again.
        is_normalised = found.get("beam_indices") is not None and temperature == 1.0
        scores = self._speaker.compute_transition_scores(
            found.sequences,
            tuple(score / temperature for score in found.scores),
            found.get("beam_indices"),
            normalize_logits=not is_normalised,
        )  # [B × count, T], log
        tokens = found.sequences[:, -scores.shape[1] :]
        is_end = tokens == self._end_token_id
        is_after_end = is_end.cumsum(dim=1) > is_end
        return scores.masked_fill(is_after_end, 0.0).sum(dim=1)

    def _generated(
        self,
        questions: Sequence[str],
        features: Features,
        max_new_tokens: int,
        options: dict[str, Any],
        images: Sequence[int] | None,
        vocabulary: AnswerTree | None = None,
    ) -> tuple[Any, int]:
        """What `generate` returns, and how many tokens its sequences repeat before what is new."""
        for question in questions:
            if problem := self.tokens.too_long(question, max_new_tokens):
                raise InputError(f"{question[:80]!r}: {problem}; shorten it")
        of: Sequence[int] = range(len(questions)) if images is None else images
        if len(used := sorted(set(of))) < len(features):  # no question is about the others
            features, of = chosen(features, used), [used.index(image) for image in of]
        with self._precision():
            begun, repeated = self._begun(questions, features, of, max_new_tokens, options["num_beams"])
            if vocabulary:
                options["prefix_allowed_tokens_fn"] = vocabulary.allowed(repeated, self._pad_token_id)
            generated = self._speaker.generate(
                **begun,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=self._end_token_id,
                pad_token_id=self._pad_token_id,
                **options,
            )
        return generated, repeated

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.frozen_dtype, enabled=self.is_mixed)

    def _decoded(self, sequences: Tensor) -> list[str]:
        return [
            text.strip() for text in self.tokens.tokenizer.batch_decode(sequences, skip_special_tokens=True)
        ]

    def answer_tree(self, answers: Sequence[str]) -> AnswerTree:
        """The tree of `answers` as this model spells them."""
        return AnswerTree(self._answer_ids(answer) for answer in set(answers))

    def _answer_ids(self, answer: str) -> list[int]:
        return [*self.tokens.answer_ids(answer), self._end_token_id]
