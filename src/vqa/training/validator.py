"""How good the model is as it stands: it answers the validation questions, and the answers are scored."""

from collections.abc import Sequence
from dataclasses import dataclass

from vqa.foundation.devices import from_first
from vqa.pairs.pair import Pair
from vqa.scoring.bertscore import BertScorer
from vqa.scoring.scores import scores_of
from vqa.vlm.generation import Decoding, Features, texts_for
from vqa.vlm.halves import LiveHalf


@dataclass(frozen=True)
class Validator:
    """Called on every process, which answer together; the first one alone has a scorer."""

    pairs: Sequence[Pair]
    features: Features
    model: LiveHalf
    batch_size: int  # train.eval_batch_size
    max_new_tokens: int
    scorer: BertScorer | None

    def __call__(self) -> dict[str, float]:
        """Mean BERTScore F1 and exact match, the same on every process."""
        decoding = Decoding(self.batch_size, self.max_new_tokens, batch_key="train.eval_batch_size")
        texts = texts_for(self.pairs, self.features, self.model, decoding, "validation")
        return from_first(lambda: self._scores(texts))

    def _scores(self, texts: Sequence[str]) -> dict[str, float]:
        assert self.scorer is not None
        scores = scores_of(self.pairs, texts, self.scorer)
        return {"bert_score_f1": scores.bert_score_f1.mean(), "exact_match": scores.exact_match.mean()}
