"""Features of the photographs by the frozen ViT, computed once: training never opens an image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoImageProcessor, Blip2Config, Blip2VisionModel

from blip2_smollm2.folder import VISION, VISION_PREFIX
from small_blip2.photographs import Photograph
from vqa.catalogue.abo import image_path
from vqa.catalogue.images import load_image
from vqa.core.files import read_object, write_json
from vqa.core.progress import progress_bar

_BATCH = 10  # images encoded at once
_FILE, _DONE = "vision_rows.npy", "vision_rows.json"


class VisionRows:
    """`[photographs, 1 + patches, width]` fp16 on disk; of an image its class row comes first."""

    def __init__(self, rows: NDArray[np.float16]) -> None:
        self._rows = rows

    def of(self, numbers: Tensor, patches: Tensor | None = None) -> Tensor:
        """`[B, rows, width]` fp32 of the photographs `numbers`; of `patches` alone, with the class row."""
        rows = torch.from_numpy(self._rows[numbers.numpy()])
        if patches is not None:
            rows = torch.cat([rows[:, :1], rows[:, 1 + patches]], dim=1)
        return rows.float()

    @property
    def patches(self) -> int:
        return int(self._rows.shape[1]) - 1


def encode(
    photographs: Sequence[Photograph], root: Path, parts: Path, work: Path, device: torch.device
) -> VisionRows:
    """Rows of every photograph, in order; what an earlier call wrote into `work` is kept.

    A photograph is known by its image's hash: `work` belongs to one list of them.
    """
    config = Blip2Config.from_pretrained(parts).vision_config
    shape = (len(photographs), 1 + (config.image_size // config.patch_size) ** 2, config.hidden_size)
    file = work / _FILE
    state: dict[str, Any] = {"pictures": [photograph.image for photograph in photographs], "done": 0}
    is_begun = (work / _DONE).is_file() and file.is_file()
    if is_begun and read_object(work / _DONE)["pictures"] == state["pictures"]:
        state, mode = read_object(work / _DONE), "r+"
    else:
        mode = "w+"
    work.mkdir(parents=True, exist_ok=True)
    rows = np.lib.format.open_memmap(file, mode=mode, dtype=np.float16, shape=shape if mode == "w+" else None)
    if state["done"] < len(photographs):
        _encode_rest(rows, state, photographs, root, parts, work, device)
    return VisionRows(rows)


@torch.inference_mode()
def _encode_rest(
    rows: np.memmap[Any, np.dtype[np.float16]],
    state: dict[str, Any],
    photographs: Sequence[Photograph],
    root: Path,
    parts: Path,
    work: Path,
    device: torch.device,
) -> None:
    model, processor = (
        vision_model(parts).to(device),
        AutoImageProcessor.from_pretrained(parts, backend="pil"),
    )
    first = int(state["done"])
    with progress_bar(len(photographs), "image", "vision", first) as progress:
        for start in range(first, len(photographs), _BATCH):
            batch = photographs[start : start + _BATCH]
            images = [load_image(image_path(root, photograph.product.image_name)) for photograph in batch]
            pixels = processor(images, return_tensors="pt")["pixel_values"].to(device)
            rows[start : start + len(batch)] = model(pixels).last_hidden_state.half().cpu().numpy()
            rows.flush()
            write_json(work / _DONE, state | {"done": start + len(batch)})
            progress.update(len(batch))


def vision_model(parts: Path) -> Blip2VisionModel:
    """The frozen ViT of a folder of parts, fp32."""
    model = Blip2VisionModel(Blip2Config.from_pretrained(parts).vision_config).eval()
    state = load_file(parts / VISION)
    model.load_state_dict({name.removeprefix(VISION_PREFIX): tensor for name, tensor in state.items()})
    return model
