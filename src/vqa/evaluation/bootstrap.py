"""95 % intervals by the paired bootstrap, clustered by picture: questions about one share its luck."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vqa.pairs.pair import Pair

Floats = NDArray[np.float64]
_DRAWS_AT_ONCE = 500  # bounds memory at draws × pictures × 8 bytes


class Columns:
    """Means to be bounded together, each over some of the pairs; all see the same drawn pictures.

    By hand, since scipy.stats.bootstrap draws rows and not pictures with all their pairs.
    Source: Efron & Tibshirani 1993, chapter 8.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        _, self._image = np.unique([pair.image_name for pair in pairs], return_inverse=True)
        self._sums: list[Floats] = []
        self._sizes: list[Floats] = []

    def add(self, values: Floats, chosen: NDArray[np.bool_] | None = None) -> None:
        """The mean of `values` `[pairs]` over the `chosen` ones; `bounds` has it in its turn."""
        mask = np.ones(len(values)) if chosen is None else chosen.astype(float)
        self._sums.append(np.bincount(self._image, weights=values * mask).astype(float))
        self._sizes.append(np.bincount(self._image, weights=mask).astype(float))

    def bounds(self, draws: int, seed: int) -> list[list[float]]:
        """[low, high] of every column, rounded to four digits."""
        sums, sizes = np.stack(self._sums, axis=1), np.stack(self._sizes, axis=1)  # [pictures, columns]
        images = len(sums)
        rng = np.random.default_rng(seed)
        means = []
        for start in range(0, draws, _DRAWS_AT_ONCE):
            count = min(_DRAWS_AT_ONCE, draws - start)
            weights = rng.multinomial(images, np.full(images, 1 / images), size=count).astype(float)
            with np.errstate(invalid="ignore"):  # a type that a draw left out has no mean there
                means.append((weights @ sums) / (weights @ sizes))
        low, high = np.nanpercentile(np.concatenate(means), [2.5, 97.5], axis=0)
        return [[round(float(a), 4), round(float(b), 4)] for a, b in zip(low, high, strict=True)]
