"""How good the model is as it stands: it answers the validation questions, and the answers are scored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vqa.core.devices import from_first
from vqa.core.errors import InputError
from vqa.pairs.answer_normalization import exact_match, first_word
from vqa.pairs.pair import Pair
from vqa.scoring.bertscore import BertScorer
from vqa.scoring.calibration import TEMPERATURES, Calibration, fit
from vqa.scoring.scores import score_texts
from vqa.vlm.generation import Decoding, Features, distinct, generate_texts
from vqa.vlm.interfaces import AnswerModel

_FITTED_ON = 2000  # validation questions at most: one number needs no more


@dataclass(frozen=True)
class Validator:
    """Called on every process; all of them answer together, and only the first has a scorer."""

    pairs: Sequence[Pair]
    features: Features
    model: AnswerModel
    batch_size: int  # train.eval_batch_size
    max_new_tokens: int
    scorer: BertScorer | None

    def __call__(self) -> dict[str, float]:
        """Mean BERTScore F1 and exact match, the same on every process."""
        decoding = Decoding(self.batch_size, self.max_new_tokens, batch_key="train.eval_batch_size")
        texts = generate_texts(self.pairs, self.features, self.model, decoding, "validation")
        return from_first(lambda: self._scores(texts))

    def _scores(self, texts: Sequence[str]) -> dict[str, float]:
        assert self.scorer is not None
        scores = score_texts(self.pairs, texts, self.scorer)
        return {"bert_score_f1": scores.bert_score_f1.mean(), "exact_match": scores.exact_match.mean()}

    def calibration(self) -> Calibration | None:
        """The temperature of the model as it stands, by this process alone; None: too little to tell it."""
        pairs = sorted(self.pairs[:_FITTED_ON], key=lambda pair: pair.image_name)
        starts = range(0, len(pairs), self.batch_size)
        answered = [row for start in starts for row in self._answered(pairs[start : start + self.batch_size])]
        is_right, log_probabilities = zip(*answered, strict=True)
        try:
            return fit(np.array(log_probabilities), np.array(is_right))
        except InputError as error:
            print(f"not calibrated: {error}")
            return None

    def _answered(self, pairs: Sequence[Pair]) -> list[tuple[bool, list[float]]]:
        """Of each pair whether its answer is right, and the answer's log probability at each temperature."""
        names, images = distinct([pair.image_name for pair in pairs])
        texts, logs = self.model.texts_at_temperatures(
            [pair.question for pair in pairs],
            self.features.rows(names),
            self.max_new_tokens,
            TEMPERATURES,
            images,
        )
        is_right = [exact_match(first_word(t), pair.answer) for t, pair in zip(texts, pairs, strict=True)]
        return list(zip(is_right, logs.tolist(), strict=True))
