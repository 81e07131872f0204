"""Other Hugging Face models that answer questions about images, zero-shot, into our predictions.

Through the auto classes: classifiers of answers (ViLT), generators for visual question answering (BLIP), and
image-text-to-text models (LLaVA and most since), whose chat template is used where they have one. VisualBERT,
which no auto class has, reads regions instead of pixels: see `visualbert`.
"""

from collections.abc import Sequence
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
from vqa.catalogue.images import load_image
from vqa.core.devices import gathered, in_memory, rank_and_world, wait_for_all
from vqa.core.errors import InputError
from vqa.core.files import sha256_file
from vqa.core.partial_results import PartialResults
from vqa.core.progress import progress_bar
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
    """The model's texts for `pairs`, one at a time, shared out by image among the processes that torchrun
    started; each gets all. Those that `partial_results` has are not asked for again.

    Raises:
        InputError: as `OtherModel` or `VisualBert`, or the model does not fit into memory.
    """
    rank, world = rank_and_world()
    images = {image_name: number for number, image_name in enumerate(sorted({p.image_name for p in pairs}))}
    done: dict[int, str] = partial_results.read()
    wait_for_all()  # all processes read the same results before one adds to them
    left = [i for i, pair in enumerate(pairs) if i not in done]
    mine = [i for i in left if images[pairs[i].image_name] % world == rank]
    name = other if isinstance(other, str) else other.name
    smaller = "name a smaller model in zero_shot.models in params.yaml"
    model = in_memory(lambda: _loaded(other, device), f"{name} does not fit on {device}", smaller)
    own_texts: dict[int, str] = {}
    last, image = "", None
    label = name.rsplit("/", 1)[-1]
    with progress_bar(len(done) + len(mine), "pair", label, len(done), is_shown=rank == 0) as progress:
        for i in mine:
            if image is None or pairs[i].image_name != last:
                last = pairs[i].image_name
                image = load_image(image_path(root, last))
            say = partial(model.text, image, pairs[i].question, max_new_tokens)
            own_texts[i] = in_memory(say, f"{name} has no room for one question", smaller)
            partial_results.add(i, own_texts[i])
            progress.update()
    texts = done | {i: text for found in gathered(own_texts) for i, text in found.items()}
    return [texts[i] for i in range(len(pairs))]
