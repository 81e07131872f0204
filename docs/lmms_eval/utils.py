"""What abo_vqa.yaml calls. The official VQA rules are lmms-eval's own, in the steps of its task vqav2."""

from typing import Any

from lmms_eval.tasks._task_utils.vqa_eval_metric import EvalAIAnswerProcessor

_RULES = EvalAIAnswerProcessor()


def image_of(row: dict[str, Any]) -> list[Any]:
    return [row["image"].convert("RGB")]


def official_form(answer: str) -> str:
    return _RULES.process_digit_article(_RULES.process_punctuation(answer.strip()))


def score_answer(row: dict[str, Any], answers: list[str]) -> dict[str, float]:
    """1 where the answer equals the label under the official rules; an empty answer never does."""
    is_right = answers[0].strip() != "" and official_form(answers[0]) == official_form(row["answer"])
    return {"exact_match": float(is_right)}
