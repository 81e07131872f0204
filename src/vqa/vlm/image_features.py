"""Features of one image or several, whose numbers of rows may differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageFeatures:
    """One image's features where images differ in size or in how their rows lie.

    `rows` `[rows, size]`; `grid`: what the model's prompt or positions need to know of them, in the model's
    numbers; empty where all images are alike.
    """

    rows: Tensor
    grid: tuple[int, ...] = ()


Features = Tensor | list[ImageFeatures]  # of several images: `[B, rows, size]` where all are alike (BLIP-2)


def together(per_image: Sequence[Tensor | ImageFeatures]) -> Features:
    """Features of several images out of each one's; those of a single image are not copied."""
    tensors = [image_features for image_features in per_image if isinstance(image_features, Tensor)]
    if not tensors:
        return [image_features for image_features in per_image if isinstance(image_features, ImageFeatures)]
    return torch.stack(tensors) if len(tensors) > 1 else tensors[0][None]


def chosen(features: Features, numbers: Sequence[int]) -> Features:
    """Those of the images with these numbers."""
    if isinstance(features, Tensor):
        return features[list(numbers)]
    return [features[number] for number in numbers]


def zeros_like(features: Features) -> Features:
    """As many rows of zeros. In new memory: a store's rows may be mapped from its file."""
    if isinstance(features, Tensor):
        return torch.zeros_like(features)
    return [
        ImageFeatures(torch.zeros_like(image_features.rows), image_features.grid)
        for image_features in features
    ]


def on_cpu(features: Features) -> Features:
    if isinstance(features, Tensor):
        return features.cpu()
    return [ImageFeatures(image_features.rows.cpu(), image_features.grid) for image_features in features]
