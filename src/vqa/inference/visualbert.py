"""VisualBERT: a question and the regions of an image → one of its answers.

It was trained on features of 100 boxes an image by a Faster R-CNN (Detectron's fc6), which transformers does
not have. Regions here are the boxes of a detector that transformers has, or the cells of a classifier's last
layer, so answers may be worse than with the training features. Li et al. 2019,
https://arxiv.org/abs/1908.03557
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForObjectDetection,
    AutoTokenizer,
    VisualBertForQuestionAnswering,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_OBJECT_DETECTION_MAPPING
from transformers.utils.hub import cached_file

from vqa.core.errors import InputError, first_line

_MOST = 100  # boxes, as it was trained
_WORDS = "google-bert/bert-base-uncased"  # its hub repositories have no tokenizer of their own
_ANSWERS = (
    "https://dl.fbaipublicfiles.com/pythia/data/answers_vqa.txt"  # VQAv2's, in the order of its training
)


class Regions:
    """Features of an image's regions by a detector or a classifier."""

    def __init__(self, name: str, device: torch.device) -> None:
        """Load `name`, a folder or a hub id.

        Raises:
            InputError: nothing can be read there.
        """
        self.name = name
        try:
            self._is_detector = type(AutoConfig.from_pretrained(name)) in MODEL_FOR_OBJECT_DETECTION_MAPPING
            kind = AutoModelForObjectDetection if self._is_detector else AutoModel
            self._model: Any = kind.from_pretrained(name).eval().to(device)
            self._processor: Any = AutoImageProcessor.from_pretrained(name, backend="pil")
        except (OSError, ValueError, ImportError) as error:
            raise InputError(
                f"params.yaml: zero_shot.models has regions: {name}, but no vision model can be read there "
                f"({first_line(error)}); give a folder or a hub id such as microsoft/resnet-50"
            ) from error

    def of(self, image: Image.Image) -> Tensor:
        """`[regions, channels]`: of each box the mean of the backbone's last layer in it, or of each cell.

        Raises:
            InputError: its last layer is no grid.
        """
        inputs = self._processor(images=image, return_tensors="pt").to(self._model.device)
        if self._is_detector:
            return self._in_boxes(inputs)
        try:
            grid: Tensor = self._model(**inputs).last_hidden_state
        except (AttributeError, TypeError, ValueError) as error:  # for example, it takes text beside images
            raise self._no_grid() from error
        if grid.ndim != 4:
            raise self._no_grid()
        return grid[0].flatten(1).T

    def _no_grid(self) -> InputError:
        return InputError(
            f"params.yaml: zero_shot.models has regions: {self.name}, whose last layer is no grid; give a "
            "DETR-like detector such as PekingU/rtdetr_r50vd, or a ResNet such as microsoft/resnet-50"
        )

    def _in_boxes(self, inputs: Any) -> Tensor:
        grids: list[Tensor] = []
        backbone = getattr(self._model.base_model, "backbone", None)
        if backbone is None:
            raise self._no_grid()
        handle = backbone.register_forward_hook(lambda _, __, levels: grids.append(levels[-1][0]))
        try:
            outputs = self._model(**inputs)
        finally:
            handle.remove()
        (detections,) = self._processor.post_process_object_detection(outputs, threshold=0.0)
        surest = detections["boxes"][detections["scores"].argsort(descending=True)].tolist()
        boxes = list(dict.fromkeys(map(tuple, surest)))[:_MOST]  # one may be found as several things
        return torch.stack([_mean_inside(grids[0][0], box) for box in boxes])


def _mean_inside(grid: Tensor, box: Sequence[float]) -> Tensor:
    """`[channels]` of `grid` `[channels, H, W]` in a box of left, top, right, bottom, each 0 to 1."""

    def span(start: float, end: float, size: int) -> slice:
        first = min(max(math.floor(start * size), 0), size - 1)
        return slice(first, max(first + 1, math.ceil(end * size)))

    left, top, right, bottom = box
    _, height, width = grid.shape
    return grid[:, span(top, bottom, height), span(left, right, width)].mean(dim=(1, 2))


class VisualBert:
    """A VisualBERT for questions, and the vision model of its regions."""

    def __init__(self, name: str, regions: str, answers: Path | None, device: torch.device) -> None:
        """Load `name`, a folder or a hub id; `answers`: a file of them, one a line, or None: its config's.

        Raises:
            InputError: no such model or regions, or its answers have no names or another number of them.
        """
        try:
            model, loading_info = VisualBertForQuestionAnswering.from_pretrained(
                name, output_loading_info=True
            )
        except (OSError, ValueError) as error:
            raise InputError(
                f"params.yaml: zero_shot.models has {name!r}, but no VisualBERT can be read there "
                f"({first_line(error)}); give a folder or a hub id such as uclanlp/visualbert-vqa"
            ) from error
        if any(key.startswith("cls.") for key in loading_info["missing_keys"]):
            raise InputError(
                f"params.yaml: zero_shot.models has {name!r}, a VisualBERT that was not trained to answer; "
                "give one that was, such as uclanlp/visualbert-vqa"
            )
        self._name, self._model = name, model.eval().to(device)
        self._answers = _read_answer_names(name, model.config.id2label, answers)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(name if _has_words(name) else _WORDS)
        self._regions = Regions(regions, device)

    @torch.inference_mode()
    def text(self, image: Image.Image, question: str, max_new_tokens: int) -> str:
        """The likeliest of its answers, however long.

        Raises:
            InputError: regions of another size than it reads.
        """
        region_features, size = self._regions.of(image)[None], self._model.config.visual_embedding_dim
        if region_features.shape[-1] != size:
            raise InputError(
                f"params.yaml: zero_shot.models has regions: {self._regions.name}, which makes "
                f"{region_features.shape[-1]} numbers a region, but {self._name} reads {size}; give another"
            )
        # As in training: it answers at the mask.
        asked = f"{question.rstrip(' ?')} ? {self._tokenizer.mask_token}"
        inputs = self._tokenizer(asked, return_tensors="pt").to(self._model.device)
        ones = torch.ones(region_features.shape[:2], dtype=torch.long, device=region_features.device)
        regions = {
            "visual_embeds": region_features,
            "visual_attention_mask": ones,
            "visual_token_type_ids": ones,
        }
        best = self._model(**inputs, **regions).logits.argmax(-1).item()
        return self._answers[int(best)]


def _has_words(name: str) -> bool:
    """Whether it has a tokenizer: without one transformers makes an empty one."""
    files = ("vocab.txt", "tokenizer.json")
    return any(cached_file(name, f, _raise_exceptions_for_missing_entries=False) for f in files)


def _read_answer_names(name: str, id2label: dict[int, str], path: Path | None) -> list[str]:
    """In the order of the model's classes."""
    if path is None:
        if id2label[0] == "LABEL_0":
            raise InputError(
                f"params.yaml: zero_shot.models has {name!r}, whose config.json does not name its "
                f"{len(id2label)} answers; give a file of them, one a line, as answers (VQAv2's: {_ANSWERS})"
            )
        return [id2label[number] for number in range(len(id2label))]
    if not path.is_file():
        raise InputError(f"params.yaml: zero_shot.models has answers: {path}, which is missing; put it there")
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) != len(id2label):
        raise InputError(
            f"{path} has {len(lines)} lines, but {name} knows {len(id2label)} answers; give the list that it "
            "was trained with, one a line"
        )
    return lines
