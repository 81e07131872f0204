"""Run the frozen half of BLIP-2 once a picture: trusted pairs → cached features.

    python src/cache_features.py

In: data/vqa/{train,val,test}.csv, the pictures at data.root, the model. Out: data/features and
metrics/features.json. After this stage no picture is opened while training or answering.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from vqa import abo
from vqa.blip2 import DTYPES, Checkpoint, ImageEncoder, default_device, frozen_dtype
from vqa.errors import InputError, run_command
from vqa.features import write_features
from vqa.files import write_json
from vqa.images import ImageError, load_image
from vqa.pairs import read_pairs
from vqa.settings import load_settings
from vqa.splits import SPLITS

PAIRS = Path("data/vqa")
OUT = Path("data/features")
METRICS = Path("metrics/features.json")


class Pixels(Dataset[Tensor]):
    """Picture i as the model's input `[3, H, W]`; decoding runs in the loader's workers."""

    def __init__(self, paths: list[Path], encoder: ImageEncoder) -> None:
        self._paths, self._encoder = paths, encoder

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Tensor:
        try:
            return self._encoder.pixels([load_image(self._paths[index])])[0]
        except ImageError as error:
            raise InputError(
                f"{self._paths[index]} changed after validation ({error.reason}); run dvc repro validate"
            ) from error


def run() -> None:
    settings = load_settings()
    device = default_device()
    checkpoint = Checkpoint(settings.model.name, settings.model.revision)
    pairs = [pair for split in SPLITS for pair in read_pairs(PAIRS / f"{split}.csv")]
    names = sorted({pair.image_name for pair in pairs})

    model = checkpoint.load(frozen_dtype(settings.model.dtype, device))
    encoder = ImageEncoder(model, checkpoint.load_processor(), device)
    paths = [abo.image_path(settings.data.root, name) for name in names]
    loader = DataLoader(
        Pixels(paths, encoder), settings.features.batch_size, num_workers=settings.features.workers
    )
    shutil.rmtree(OUT, ignore_errors=True)
    manifest = write_features(
        OUT,
        zip(names, _features(loader, encoder, len(names)), strict=True),
        settings.features.images_per_shard,
        DTYPES[settings.features.dtype],
        checkpoint.identity(),
    )
    write_json(
        METRICS,
        {
            "images": len(names),
            "shards": len(manifest["shards"]),
            "dtype": manifest["dtype"],
            "bytes": sum(path.stat().st_size for path in OUT.glob("*.safetensors")),
            "model": manifest["model"],
        },
    )
    print(f"cached the features of {len(names)} pictures in {OUT}")


@torch.inference_mode()
def _features(loader: DataLoader[Tensor], encoder: ImageEncoder, total: int) -> Iterator[Tensor]:
    """Rows `[Q, D]` in the loader's order."""
    with tqdm(total=total, unit="image", desc="features") as progress:
        for pixels in loader:
            yield from encoder.features(pixels).cpu()
            progress.update(len(pixels))


if __name__ == "__main__":
    run_command(run)
