"""What fewer bits in the feature store change: the error of a row, and the trained adapter's answers.

    dvc pull && python benchmarks/rounded_features.py           # or after dvc repro

In: data/features (fp32), data/vqa/test.csv, models/adapter/best, as the stages leave them. Out: a Markdown
table on standard output, with --write also in docs/results/rounded_features.md: of each dtype the bytes of
an image, the root mean square error of its rows beside that of the rows themselves, answers that are others
than in fp32, and exact matches. int8 has a scale of its own for each row, in fp32, by which its largest
number is 127. The adapter was trained on fp32 rows. Half a minute on a CPU with the embedded model.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

import torch
from result_pages import RESULTS, report
from torch import Tensor

from vqa.features.store import FeatureStore
from vqa.pairs.answer_normalization import exact_match
from vqa.pairs.pair import Pair, read_pairs
from vqa.settings import load_settings
from vqa.vlm import attached_adapter
from vqa.vlm.generation import Decoding, distinct, generate_texts
from vqa.vlm.loading import Pretrained

ADAPTER, FEATURES, TEST = Path("models/adapter/best"), Path("data/features"), Path("data/vqa/test.csv")
CPU = torch.device("cpu")


def int8_rows(rows: Tensor) -> Tensor:
    """`rows` `[..., size]` after a round trip through int8 with a scale a row."""
    scale = rows.abs().amax(dim=-1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny) / 127
    return (rows / scale).round().to(torch.int8).to(rows.dtype) * scale


ROUND: Mapping[str, Callable[[Tensor], Tensor]] = {
    "float32": lambda rows: rows,
    "bfloat16": lambda rows: rows.bfloat16().float(),
    "int8, a scale a row": int8_rows,
}


class Rounded:
    """A store's rows after a round trip through fewer bits."""

    def __init__(self, store: FeatureStore, rounded: Callable[[Tensor], Tensor]) -> None:
        self._store, self._rounded = store, rounded

    def rows(self, image_names: Sequence[str]) -> Tensor:
        return self._rounded(self._store.rows(image_names).float())


def bytes_of(name: str, rows: Tensor) -> int:
    """Of an image's `rows` `[rows, size]` on disk."""
    if name.startswith("int8"):
        return rows.numel() + 4 * len(rows)
    return rows.numel() * (2 if name == "bfloat16" else 4)


def relative_error(rows: Tensor, rounded: Tensor) -> float:
    return float((rounded - rows).norm() / rows.norm())


def table_rows(pairs: Sequence[Pair], store: FeatureStore) -> list[list[str]]:
    settings = load_settings()
    model = Pretrained.of(settings.model).load_answer_model(
        settings.model.prompt, CPU, settings.features.level
    )
    attached_adapter.merge(model, ADAPTER)
    decoding = Decoding(settings.decoding.batch_size, settings.decoding.max_new_tokens)
    everything = store.rows(distinct([pair.image_name for pair in pairs])[0]).float()
    said: dict[str, list[str]] = {}
    made = []
    for name, rounded in ROUND.items():
        said[name] = generate_texts(pairs, Rounded(store, rounded), model, decoding, name)
        changed = sum(a != b for a, b in zip(said[name], said["float32"], strict=True))
        right = sum(exact_match(text, pair.answer) for text, pair in zip(said[name], pairs, strict=True))
        made.append(
            [
                name,
                f"{bytes_of(name, everything[0]):,}",
                f"{relative_error(everything, rounded(everything)):.2%}",
                f"{changed} of {len(pairs)}",
                f"{right / len(pairs):.2%}",
            ]
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into docs/results/rounded_features.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings = load_settings()
    identity = Pretrained.of(settings.model).identity(CPU)
    store = FeatureStore(FEATURES, identity, settings.features.level)
    titles = ["dtype on disk", "bytes an image", "error of a row", "other answers", "exact match"]
    page = RESULTS / "rounded_features.md" if given.write else None
    for row in table_rows(read_pairs(TEST), store):
        report(titles, row, "cpu", page, "answers")


if __name__ == "__main__":
    main()
