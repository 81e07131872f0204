"""Features of images that are alike, in one tensor, and of images that are not, in a list."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vqa.vlm.image_features import Features, ImageFeatures, chosen, on_cpu, together, zeros_like

ALIKE = torch.arange(12.0).reshape(3, 2, 2)
UNLIKE = [ImageFeatures(torch.full((rows, 2), float(rows)), (1, rows)) for rows in (1, 3, 2)]


def ragged(features: Features) -> Sequence[ImageFeatures]:
    assert not isinstance(features, Tensor)
    return features


def test_images_that_are_alike_become_one_tensor_and_others_stay_a_list() -> None:
    stacked = together(list(ALIKE))
    assert isinstance(stacked, Tensor)
    assert torch.equal(stacked, ALIKE)
    assert together(UNLIKE) == UNLIKE


def test_images_are_chosen_by_number_in_the_order_asked_also_twice() -> None:
    of_alike = chosen(ALIKE, (2, 0, 2))
    assert isinstance(of_alike, Tensor)
    assert of_alike[:, 0, 0].tolist() == [8.0, 0.0, 8.0]
    assert chosen(UNLIKE, (1, 1, 0)) == [UNLIKE[1], UNLIKE[1], UNLIKE[0]]


def test_zeros_keep_the_form_and_leave_the_features_as_they_were() -> None:
    before = ALIKE.clone()
    zeros = zeros_like(ALIKE)
    assert isinstance(zeros, Tensor)
    assert torch.equal(zeros, torch.zeros(3, 2, 2))
    assert torch.equal(ALIKE, before)
    of_unlike = ragged(zeros_like(UNLIKE))
    assert [(of.rows.shape, of.grid) for of in of_unlike] == [
        ((1, 2), (1, 1)),
        ((3, 2), (1, 3)),
        ((2, 2), (1, 2)),
    ]
    assert all(of.rows.abs().sum() == 0 for of in of_unlike)
    assert UNLIKE[1].rows.sum() == 18.0


def test_on_the_cpu_values_and_grids_are_kept() -> None:
    moved = on_cpu(ALIKE)
    assert isinstance(moved, Tensor)
    assert torch.equal(moved, ALIKE)
    for ours, theirs in zip(ragged(on_cpu(UNLIKE)), UNLIKE, strict=True):
        assert (ours.rows.device.type, ours.grid) == ("cpu", theirs.grid)
        assert torch.equal(ours.rows, theirs.rows)
