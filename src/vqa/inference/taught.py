"""What an adapter was taught: a small model knows the wordings that it learnt, and others it misreads."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vqa.foundation.errors import InputError
from vqa.foundation.files import read_object, write_json
from vqa.pairs.pair import Pair, read_pairs
from vqa.settings import Settings
from vqa.vlm.base_model import name_beside

_BESIDE = "taught.json"
_OF_A_TYPE = 3  # wordings; a person wants to read them


@dataclass(frozen=True)
class Taught:
    """The training pairs of an adapter, in short."""

    data: str  # data.root
    pairs: int
    pictures: int
    questions: list[str]  # the commonest of each type; the commonest type first

    def __str__(self) -> str:
        return f"taught by {self.pairs:,} questions about {self.pictures:,} pictures of {self.data}"


def taught_by(pairs: Sequence[Pair], data: Path) -> Taught:
    by_type: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        by_type[pair.question_type][pair.question] += 1
    types = sorted(by_type.values(), key=lambda counts: -counts.total())
    commonest = (sorted(counts, key=lambda text: (-counts[text], text))[:_OF_A_TYPE] for counts in types)
    questions = [question for of_type in commonest for question in of_type]
    return Taught(data.as_posix(), len(pairs), len({pair.image_name for pair in pairs}), questions)


def write_taught(adapter: Path, taught: Taught) -> None:
    """Beside an adapter that leaves its pairs."""
    write_json(adapter / _BESIDE, asdict(taught))


def read_taught(adapter: Path, train: Path, data: Path) -> Taught | None:
    """What is written beside the adapter; else what `train`, the pairs at hand, say; None without either."""
    if (adapter / _BESIDE).is_file():
        return Taught(**read_object(adapter / _BESIDE))
    return taught_by(read_pairs(train), data) if train.is_file() else None


def with_model_of(adapter: Path, settings: Settings) -> Settings:
    """The settings, with the model that the adapter was made for where that is another folder of ours.

    Raises:
        InputError: there is no such adapter.
    """
    if not (adapter / "adapter_config.json").is_file():
        there = sorted(path.parent.as_posix() for path in Path("models").rglob("adapter_config.json"))
        others = f"there are {', '.join(there)}" if there else "run dvc repro train, or dvc pull"
        raise InputError(f"{adapter} holds no adapter; {others}")
    name = name_beside(adapter)
    if name is None or name == settings.model.name or not Path(name).is_dir():
        return settings
    return replace(settings, model=replace(settings.model, name=name, dvc_dep=name, revision=None))
