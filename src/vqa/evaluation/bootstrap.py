"""95 % intervals by the paired bootstrap, clustered by picture: questions about one share its luck."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vqa.pairs.pair import Pair

Floats = NDArray[np.float64]
_DRAWS_AT_ONCE = 500
_CELLS_AT_ONCE = 2_000_000  # draws × pictures, twice 8 bytes each


class Columns:
    """Means to be bounded together, each over some of the pairs; all see the same drawn pictures.

    By hand, since scipy.stats.bootstrap draws rows and not pictures with all their pairs.
    Source: Efron & Tibshirani 1993, chapter 8.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        _, self._image = np.unique([pair.image_name for pair in pairs], return_inverse=True)
        self._sums: list[Floats] = []
        self._sizes: list[Floats] = []

    def add(self, values: Floats, chosen: NDArray[np.bool_] | None = None) -> int:
        """The mean of `values` `[pairs]` over the `chosen` ones; its number in `bounds`."""
        mask = np.ones(len(values)) if chosen is None else chosen.astype(float)
        self._sums.append(np.bincount(self._image, weights=values * mask).astype(float))
        self._sizes.append(np.bincount(self._image, weights=mask).astype(float))
        return len(self._sums) - 1

    def bounds(self, draws: int, seed: int) -> list[list[float]]:
        """[low, high] of every column, rounded to four digits."""
        sums, sizes = np.stack(self._sums, axis=1), np.stack(self._sizes, axis=1)  # [pictures, columns]
        at_once = min(_DRAWS_AT_ONCE, max(1, _CELLS_AT_ONCE // len(sums)))
        rng = np.random.default_rng(seed)
        blocks = [min(at_once, draws - start) for start in range(0, draws, at_once)]
        means = np.concatenate([_drawn_means(rng, count, sums, sizes) for count in blocks])
        low, high = np.nanpercentile(means, [2.5, 97.5], axis=0)
        return [[round(float(a), 4), round(float(b), 4)] for a, b in zip(low, high, strict=True)]


def _drawn_means(rng: np.random.Generator, draws: int, sums: Floats, sizes: Floats) -> Floats:
    """Each column's mean in each draw `[draws, columns]`."""
    images = len(sums)
    weights = rng.multinomial(images, np.full(images, 1 / images), size=draws).astype(float)
    with np.errstate(invalid="ignore"):  # a type that a draw left out has no mean there
        means: Floats = (weights @ sums) / (weights @ sizes)
    return means
