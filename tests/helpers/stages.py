"""The stages from pairs to the judgement, in order, in this process."""

import answer_adapted
import answer_base
import answer_others
import cache_features
import evaluate
import generate
import train
import validate
import verify

TO_TRAINED = (generate, validate, verify, cache_features, train)
TO_JUDGED = (*TO_TRAINED, answer_base, answer_adapted, answer_others, evaluate)
