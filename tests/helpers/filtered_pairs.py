"""Pairs through all rules, with the committed limits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paths import ROOT
from vqa.catalogue.images import ImageRecord
from vqa.pairs.pair import Pair
from vqa.settings import load_settings
from vqa.validation.filtering import Rejected, build_candidates, filter_pairs, image_names, trusted
from vqa.validation.review import Decision, Key, key_of
from vqa.validation.rules import RULES_ON_IMAGES, RULES_ON_TEXT, Context

LIMITS = load_settings(ROOT / "params.yaml").validate


def filtered(
    *pairs: Pair,
    decisions: Mapping[Key, Decision] | None = None,
    problems: Mapping[str, ImageRecord] | None = None,
    **limits: Any,
) -> tuple[list[Pair], list[Rejected]]:
    candidates, refused = build_candidates(pairs, decisions or {})
    context = Context(replace(LIMITS, **limits))
    readable, by_text = filter_pairs(candidates, RULES_ON_TEXT, context)
    good = ImageRecord("0", 100, 100, "0" * 64)
    images = {name: (problems or {}).get(name, good) for name in image_names(readable)}
    standing, by_image = filter_pairs(readable, RULES_ON_IMAGES, replace(context, images=images))
    kept, rejected = trusted(standing), [*refused, *by_text, *by_image]
    assert len(kept) + len(rejected) == len(pairs)
    return kept, rejected


def reasons(*pairs: Pair, **options: Any) -> list[str]:
    return [reject.reason for reject in filtered(*pairs, **options)[1]]


def ask(question: str, answer: str, image_name: str = "a.jpg") -> Pair:
    return Pair(image_name, question, answer)


def decisions(pair: Pair, kind: str, answer: str = "") -> dict[Key, Decision]:
    key = key_of(pair.image_name, pair.question, pair.answer)
    return {key: Decision(kind, answer or pair.answer, was_kept=True)}
