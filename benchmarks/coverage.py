"""How often 95 % intervals hold the truth, where the truth is known: drawn answers to questions in groups.

    python benchmarks/coverage.py [REPEATS]

Groups have one to nine questions, five on average. Each group draws how easy it is for each of two systems
(beta distributions of a mean and a correlation within groups), each question its answer from that. Out: a
row a setting with coverage in percent, of the clustered interval as evaluate.py gives it and of one that
takes questions for independent (scipy's exact one for shares, the normal one for differences).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
from scipy.stats import binomtest

from vqa.evaluation.markdown import table
from vqa.pairs.pair import Pair
from vqa.stats.bootstrap import ClusterBootstrap, Floats

DRAWS = 500
WITHIN = 0.3  # correlation of answers within a group
SETTINGS = [(0.8, 0.75), (0.97, 0.95)]  # shares that ours and theirs answer right


@dataclass(frozen=True)
class Covered:
    """Shares of the repeats whose interval holds the truth, and how many of ours were exact."""

    share: float
    gain: float
    share_unclustered: float
    gain_unclustered: float
    exact: float


def covered(questions: int, ours: float, theirs: float, repeats: int, seed: int = 0) -> Covered:
    """Of intervals about `questions` questions, about five in a group."""
    rng = np.random.default_rng(seed)
    rows = []
    for repeat in range(repeats):
        group = _groups(rng, questions)
        a, b = (_answers(rng, group, share) for share in (ours, theirs))
        columns = ClusterBootstrap([Pair(str(number), "", "", split_group=str(number)) for number in group])
        columns.add(a, "share")
        columns.add(a - b, "gain")
        share, gain = columns.intervals(DRAWS, repeat)
        alone = binomtest(int(a.sum()), questions).proportion_ci()
        spread = 1.96 * float((a - b).std(ddof=1)) / questions**0.5
        value = float((a - b).mean())
        rows.append(
            [
                _holds(share.ci95, ours),
                _holds(gain.ci95, ours - theirs),
                _holds([alone.low, alone.high], ours),
                _holds([value - spread, value + spread], ours - theirs),
                (share.is_exact + gain.is_exact) / 2,
            ]
        )
    return Covered(*(float(mean) for mean in np.mean(rows, axis=0)))


def _groups(rng: np.random.Generator, questions: int) -> list[int]:
    """The group of each question."""
    sizes = rng.integers(1, 10, size=questions)
    return np.repeat(np.arange(questions), sizes)[:questions].tolist()


def _answers(rng: np.random.Generator, group: list[int], share: float) -> Floats:
    """Whether each question is answered right: 1 or 0 `[questions]`."""
    scale = (1 - WITHIN) / WITHIN
    easy = rng.beta(share * scale, (1 - share) * scale, size=group[-1] + 1)
    return (rng.random(len(group)) < easy[group]).astype(float)


def _holds(bounds: list[float] | None, truth: float) -> bool:
    return bounds is not None and bounds[0] - 1e-4 <= truth <= bounds[1] + 1e-4  # they have four digits


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rows = []
    for ours, theirs in SETTINGS:
        for questions in (10, 50, 200, 1000, 5000):
            found = covered(questions, ours, theirs, repeats)
            cells = [found.share, found.gain, found.share_unclustered, found.gain_unclustered, found.exact]
            rows.append([f"{ours:.0%}, {theirs:.0%}", f"{questions:,}", *(f"{100 * c:.1f}" for c in cells)])
    titles = ["right", "questions", "share", "difference", "share, unclustered", "difference, unclustered"]
    print(table([*titles, "exact"], rows))


if __name__ == "__main__":
    main()
