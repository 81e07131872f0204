"""The training pairs of an adapter in short: a small model misreads wordings that it was not trained on."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vqa.core.errors import InputError
from vqa.core.files import read_object, write_json
from vqa.pairs.pair import Pair, read_pairs
from vqa.settings import Settings
from vqa.vlm.base_model import saved_model_name

_FILE = "training_summary.json"
_OLD_FILE = "taught.json"  # of adapters made before, with "pictures" for images
_OF_A_TYPE = 3  # wordings: few enough for a person to read


@dataclass(frozen=True)
class TrainingSummary:
    """The training pairs of an adapter, in short."""

    data: str  # data.root
    pairs: int
    images: int
    questions: list[str]  # the commonest of each type; the commonest type first

    def __str__(self) -> str:
        return f"trained on {self.pairs:,} questions about {self.images:,} images of {self.data}"


def summarize_training(pairs: Sequence[Pair], data: Path) -> TrainingSummary:
    by_type: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        by_type[pair.question_type][pair.question] += 1
    types = sorted(by_type.values(), key=lambda counts: -counts.total())
    commonest = (sorted(counts, key=lambda text: (-counts[text], text))[:_OF_A_TYPE] for counts in types)
    questions = [question for of_type in commonest for question in of_type]
    return TrainingSummary(data.as_posix(), len(pairs), len({pair.image_name for pair in pairs}), questions)


def write_training_summary(adapter: Path, summary: TrainingSummary) -> None:
    """Write the summary beside an adapter that is used without its pairs."""
    write_json(adapter / _FILE, asdict(summary))


def read_training_summary(adapter: Path, train: Path, data: Path) -> TrainingSummary | None:
    """What is written beside the adapter; else what `train`, the pairs at hand, say; None without either."""
    if (adapter / _FILE).is_file():
        return TrainingSummary(**read_object(adapter / _FILE))
    if (adapter / _OLD_FILE).is_file():
        old = read_object(adapter / _OLD_FILE)
        return TrainingSummary(images=old.pop("pictures"), **old)
    return summarize_training(read_pairs(train), data) if train.is_file() else None


def with_adapter_model(adapter: Path, settings: Settings) -> Settings:
    """The settings, with the model that the adapter was made for where that is another folder of ours.

    Raises:
        InputError: there is no such adapter.
    """
    if not (adapter / "adapter_config.json").is_file():
        there = sorted(path.parent.as_posix() for path in Path("models").rglob("adapter_config.json"))
        others = f"there are {', '.join(there)}" if there else "run dvc repro train, or dvc pull"
        raise InputError(f"{adapter} holds no adapter; {others}")
    name = saved_model_name(adapter)
    if name is None or name == settings.model.name or not Path(name).is_dir():
        return settings
    return replace(settings, model=replace(settings.model, name=name, dvc_dep=name, revision=None))
