"""Questions and features → generated texts, many at a time."""

import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from vqa.core.devices import TOO_LARGE, with_oom_hint
from vqa.core.partial_results import PartialResults, map_resumable
from vqa.core.seeding import seeded_rank
from vqa.pairs.pair import Pair
from vqa.vlm.constrained_decoding import AnswerTree
from vqa.vlm.image_features import zeros_like
from vqa.vlm.interfaces import AnswerModel

Name = TypeVar("Name", bound=Hashable)


class Features(Protocol):
    """Anything that gives `image_features.Features` of images by name."""

    def rows(self, image_names: Sequence[str]) -> Any: ...


class ZeroImages:
    """Zeros in place of the features: what the model answers without the image."""

    def __init__(self, features: Features) -> None:
        self._features = features

    def rows(self, image_names: Sequence[str]) -> Any:
        return zeros_like(self._features.rows(image_names))


class ShuffledImages:
    """Features of another image: what the model answers to the wrong one."""

    def __init__(self, features: Features, other: Mapping[str, str]) -> None:
        """`other`: for each image, the one that takes its place."""
        self._features = features
        self._other = other

    def rows(self, image_names: Sequence[str]) -> Any:
        return self._features.rows([self._other[name] for name in image_names])


def images_of_other_groups(
    pairs: Sequence[Pair], seed: int, form_of: Callable[[str], Hashable] = lambda name: ()
) -> dict[str, str]:
    """Draw for each image another one of another group; each stands for one image.

    Groups decide, since in a catalogue whose files are named by product the next file shows the same product.
    Where one group has more than half of the images, each other image stands for several of it; where it has
    all, the next image of the group does. An image gets one of its own form (`form_of`: how many tokens it
    takes, and how they lie) where other groups have one, so that only the content differs.
    """
    group_of = {pair.image_name: pair.together for pair in pairs}
    by_form: dict[Hashable, dict[str, str]] = {}
    for name, group in group_of.items():
        by_form.setdefault(form_of(name), {})[name] = group
    alike = [groups for groups in by_form.values() if len(set(groups.values())) > 1]
    drawn = {name: other for groups in alike for name, other in _drawn(groups, seed).items()}
    rest = {name: group for name, group in group_of.items() if name not in drawn}
    left = set(rest.values())
    elsewhere = {name: group for name, group in group_of.items() if group not in left}
    if len(left) == 1 and elsewhere:
        names = itertools.cycle(_in_order(elsewhere, seed))
        return drawn | dict(zip(_in_order(rest, seed), names, strict=False))
    return drawn | (_drawn(rest, seed) if rest else {})


def _in_order(group_of: Mapping[str, str], seed: int) -> list[str]:
    """All images in seeded order, those of a group side by side."""
    return sorted(group_of, key=lambda name: (seeded_rank(seed, group_of[name]), seeded_rank(seed, name)))


def _drawn(group_of: Mapping[str, str], seed: int) -> dict[str, str]:
    names = _in_order(group_of, seed)
    (largest, size), *others = Counter(group_of.values()).most_common()
    if 2 * size > len(names) and others:
        inside = [name for name in names if group_of[name] == largest]
        outside = [name for name in names if group_of[name] != largest]
        return dict(zip(inside, itertools.cycle(outside), strict=False)) | dict(
            zip(outside, inside, strict=False)
        )
    # Groups lie side by side: as many places on as the largest is long, another begins.
    shift = size if others else 1
    return dict(zip(names, names[shift:] + names[:shift], strict=True))


def distinct(names: Sequence[Name]) -> tuple[list[Name], list[int]]:
    """Each name once, in the order of their first mention, and for every mention which one it is."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return list(numbers), [numbers[name] for name in names]


@dataclass(frozen=True)
class Decoding:
    """How answers are generated: pairs at once, tokens an answer at most, beams (1: greedy).

    `answers`: the allowed ones; none: any. `batch_key`: the key of params.yaml that sets the pairs at once.
    """

    batch_size: int
    max_new_tokens: int
    num_beams: int = 1
    answers: tuple[str, ...] = ()
    batch_key: str = "decoding.batch_size"

    def decisive(self) -> dict[str, Any]:
        """The settings that decide an answer; the batch size does not."""
        return {"max_new_tokens": self.max_new_tokens, "num_beams": self.num_beams, "answers": self.answers}


def generate_texts(
    pairs: Sequence[Pair],
    features: Features,
    model: AnswerModel,
    decoding: Decoding,
    label: str,
    partial_results: PartialResults | None = None,
) -> list[str]:
    """Generated texts in the order of `pairs`, as `map_resumable` shares them out and continues after a kill.

    An image's questions are batched together, so that it is read once, and long ones with long ones. `label`
    names the progress bar.
    """
    vocabulary = model.answer_tree(decoding.answers) if decoding.answers else None

    def answer(batches: list[list[int]]) -> Iterator[dict[int, str]]:
        for batch in batches:
            texts = _answered([pairs[i] for i in batch], features, model, decoding, vocabulary)
            yield dict(zip(batch, texts, strict=True))

    batches = _batches(pairs, decoding.batch_size, model.shares_prefix)
    return map_resumable(batches, answer, str, partial_results, "pair", label)


def without_questions(pairs: Sequence[Pair]) -> tuple[list[Pair], list[int]]:
    """A pair with an empty question for each image, and for every one of `pairs` the number of its image's.

    The model then reads the prompt without a question, which training never showed it.
    """
    names, images = distinct([pair.image_name for pair in pairs])
    return [Pair(name, "", "") for name in names], images


def _batches(pairs: Sequence[Pair], size: int, is_shared: bool) -> list[list[int]]:
    """Numbers of pairs; `is_shared`: those of an image side by side."""
    of_pair = distinct([pair.image_name for pair in pairs])[1] if is_shared else list(range(len(pairs)))
    longest = [0] * len(pairs)
    for image, pair in zip(of_pair, pairs, strict=True):
        longest[image] = max(longest[image], len(pair.question))
    order = sorted(range(len(pairs)), key=lambda i: (-longest[of_pair[i]], of_pair[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _answered(
    batch: Sequence[Pair],
    features: Features,
    model: AnswerModel,
    decoding: Decoding,
    vocabulary: AnswerTree | None,
) -> list[str]:
    """The batch's texts.

    Raises:
        InputError: it does not fit into memory; it names the setting and what would fit.
    """
    names, images = distinct([pair.image_name for pair in batch])
    rows = features.rows(names)
    questions = [pair.question for pair in batch]

    def answer(count: int) -> list[str]:
        return model.texts(
            questions[:count],
            rows[: max(images[:count]) + 1],
            decoding.max_new_tokens,
            decoding.num_beams,
            vocabulary=vocabulary,
            images=images[:count],
        )

    return with_oom_hint(answer, len(batch), "pairs", decoding.batch_key, TOO_LARGE)
