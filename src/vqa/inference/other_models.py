"""Other Hugging Face models that answer questions about images, zero-shot, into our predictions.

Through the auto classes: classifiers of answers (ViLT), generators for visual question answering (BLIP), and
image-text-to-text models (LLaVA and most since), whose chat template is used where they have one. VisualBERT,
which no auto class has, reads regions instead of pixels: see `visualbert`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoModelForVisualQuestionAnswering,
    AutoProcessor,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING_NAMES,
)

from vqa.catalogue.abo import image_path
from vqa.catalogue.images import load_validated
from vqa.core.devices import in_memory
from vqa.core.errors import InputError
from vqa.core.files import sha256_file
from vqa.core.partial_results import PartialResults, map_resumable
from vqa.inference.visualbert import VisualBert
from vqa.pairs.pair import Pair
from vqa.settings import OnRegions
from vqa.vlm.batching import make_states_contiguous

_REQUEST = "{question} Answer in one word."


class OtherModel:
    """One model and its processor, whatever kind it is."""

    def __init__(self, name: str, device: torch.device) -> None:
        """Load `name`, a folder or a hub id.

        Raises:
            InputError: nothing can be read there, or the auto classes have no such model.
        """
        try:
            kind = AutoConfig.from_pretrained(name).model_type
        except (OSError, ValueError) as error:
            raise InputError(
                f"params.yaml: zero_shot.models has {name!r}, but no model can be read there; give a folder "
                "or a hub id such as Salesforce/blip-vqa-base"
            ) from error
        if kind == "visual_bert":
            raise InputError(
                f"params.yaml: zero_shot.models has {name!r}, a VisualBERT, which reads regions instead of "
                f"pixels; give {{name: {name}, regions: microsoft/resnet-50, answers: FILE}} instead"
            )
        self._is_answerer = kind in MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING_NAMES
        if not self._is_answerer and kind not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
            raise InputError(
                f"params.yaml: zero_shot.models has {name!r}, a {kind} model, which does not answer "
                "questions about images through transformers' auto classes; remove it"
            )
        family = AutoModelForVisualQuestionAnswering if self._is_answerer else AutoModelForImageTextToText
        self._model: Any = family.from_pretrained(name).eval().to(device)
        head = self._model.get_output_embeddings()
        if self._model.can_generate() and head is not None:  # BLIP's decoder has its own, behind a layer norm
            make_states_contiguous(head)
        self._processor: Any = AutoProcessor.from_pretrained(name)

    @torch.inference_mode()
    def text(self, image: Image.Image, question: str, max_new_tokens: int) -> str:
        """Its text, without the question."""
        prompt = question if self._is_answerer else self._prompt(question)
        inputs = self._processor(images=image, text=prompt, return_tensors="pt").to(self._model.device)
        if not self._model.can_generate():  # a classifier of answers
            best = self._model(**inputs).logits.argmax(-1).item()
            return str(self._model.config.id2label[best])
        generated = self._model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        if not self._is_answerer:
            generated = generated[:, inputs["input_ids"].shape[1] :]
        decoded: str = self._processor.batch_decode(generated, skip_special_tokens=True)[0]
        return decoded.strip()

    def _prompt(self, question: str) -> str:
        request = _REQUEST.format(question=question)
        if getattr(self._processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": request}]
            turns = [{"role": "user", "content": content}]
            return str(self._processor.apply_chat_template(turns, add_generation_prompt=True))
        return f"USER: <image>\n{request} ASSISTANT:"


def system_title(other: str | OnRegions) -> str:
    """What its row is called."""
    if isinstance(other, str):
        return other
    return f"{other.name} on {other.regions}, not its training features"


def refuse_equal_titles(others: Sequence[str | OnRegions]) -> None:
    """Refuse two rows of one name, which would become one.

    Raises:
        InputError: two entries have the same title.
    """
    titles = [system_title(other) for other in others]
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise InputError(f"params.yaml: zero_shot.models has {twice[0]} twice; leave one out")


def key_of(other: str | OnRegions) -> dict[str, str]:
    """What its answers depend on beside the questions."""
    path = None if isinstance(other, str) else other.answers
    of_file: dict[str, str] = {"answers": sha256_file(path)} if path and path.is_file() else {}
    return {"other": system_title(other)} | of_file


def _loaded(other: str | OnRegions, device: torch.device) -> "OtherModel | VisualBert":
    if isinstance(other, str):
        return OtherModel(other, device)
    return VisualBert(other.name, other.regions, other.answers, device)


def answer_with_other_model(
    other: str | OnRegions,
    pairs: Sequence[Pair],
    root: Path,
    max_new_tokens: int,
    device: torch.device,
    partial_results: PartialResults,
) -> list[str]:
    """The model's texts for `pairs`, one at a time and image by image, as `map_resumable` shares them out
    and continues after a kill.

    Raises:
        InputError: as `OtherModel` or `VisualBert`, or the model does not fit into memory.
    """
    name = other if isinstance(other, str) else other.name
    smaller = "name a smaller model in zero_shot.models in params.yaml"
    model = in_memory(lambda: _loaded(other, device), f"{name} does not fit on {device}", smaller)

    def answer(by_image: list[list[int]]) -> Iterator[dict[int, str]]:
        for of_image in by_image:
            image = load_validated(image_path(root, pairs[of_image[0]].image_name))
            for i in of_image:
                say = partial(model.text, image, pairs[i].question, max_new_tokens)
                yield {i: in_memory(say, f"{name} has no room for one question", smaller)}

    by_image: dict[str, list[int]] = defaultdict(list)
    for i, pair in enumerate(pairs):
        by_image[pair.image_name].append(i)
    label = name.rsplit("/", 1)[-1]
    return map_resumable(list(by_image.values()), answer, str, partial_results, "pair", label)
