"""Pairs → requests for another model's answers to their questions, with the image or without → the answers.

Each image has one request, which does not contain the answers. Ledger and budget are those of generate.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

from vqa.annotators import costs, gemini_run
from vqa.annotators.costs import is_usable
from vqa.annotators.gemini import ANSWERS_SCHEMA
from vqa.annotators.ledger import Ledger
from vqa.annotators.paid_requests import build_request
from vqa.annotators.prompt import pairs_in
from vqa.annotators.scheduler import Request
from vqa.catalogue.abo import image_path
from vqa.core.errors import InputError
from vqa.pairs.answer_normalization import first_word, normalize_answer
from vqa.pairs.pair import Pair
from vqa.settings import Generate, Verify

# Label check → its prompt, and whether it sees the image.
OPINIONS = {
    "second_opinion": ("second_opinion.txt", True),
    "opinion_without_image": ("opinion_without_image.txt", False),
}
UNKNOWN_ANSWER = "unknown"  # what a model says that the image does not show


@dataclass(frozen=True)
class Questions:
    """The request for one image, and its questions in the order of their numbers, from 1."""

    request: Request
    questions: tuple[str, ...]


def opinion_requests(check: str, pairs: Iterable[Pair], root: Path, settings: Generate) -> list[Questions]:
    """One request an image, each question once; neither depends on the pairs' order."""
    by_image: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        by_image[pair.image_name].add(pair.question)
    file, sees_image = OPINIONS[check]
    template = Template(Path(__file__).with_name(file).read_text(encoding="utf-8"))
    asked = []
    for name, questions in sorted(by_image.items()):
        numbered = tuple(sorted(questions))
        lines = [f"{number}. {' '.join(text.split())}" for number, text in enumerate(numbered, 1)]
        path = image_path(root, name) if sees_image else None
        prompt = template.substitute(questions="\n".join(lines))
        asked.append(Questions(build_request(name, path, prompt, settings), numbered))
    return asked


def collect_answers(asked: Sequence[Questions], ledger: Ledger) -> Mapping[tuple[str, str], str]:
    """Image and question → the answer in normal form, where there is one; "unknown" is none."""
    answers: dict[tuple[str, str], str] = {}
    for of_image in asked:
        entry = ledger.get(of_image.request.key)
        if entry is None or not is_usable(entry):
            continue
        answer_of = {pair.question: pair.answer for pair in pairs_in(entry.text, entry.image_name, "")}
        for number, question in enumerate(of_image.questions, 1):
            answer = normalize_answer(first_word(answer_of.get(str(number), "")))
            if answer and answer != UNKNOWN_ANSWER:
                answers[of_image.request.image_name, question] = answer
    return answers


def paid_settings(generate: Generate, verify: Verify) -> Generate:
    """The settings for opinions: those for pairs, with another model and thinking."""
    return replace(generate, model=verify.model, thinking=verify.thinking)


def ask_second_opinions(
    pairs: Sequence[Pair], root: Path, generate: Generate, verify: Verify, ledger_copy: Path
) -> tuple[dict[str, Mapping[tuple[str, str], str]], dict[str, Any]]:
    """The answers for each label check of OPINIONS that is switched on, and the bill; both empty if none is.

    `ledger_copy`: what DVC versions of the ledger.

    Raises:
        InputError: as `gemini_run.ask`; nothing paid is lost.
    """
    asked = _asked(pairs, root, generate, verify)
    requests = [of_image.request for of_check in asked.values() for of_image in of_check]
    settings = paid_settings(generate, verify)
    ledger = gemini_run.ask(requests, ledger_copy, settings, schema=ANSWERS_SCHEMA) if requests else None
    gemini_run.write_copy(ledger_copy, ledger, requests)
    if ledger is None:
        return {}, {}
    answers = {check: collect_answers(of_check, ledger) for check, of_check in asked.items()}
    return answers, costs.bill(requests, ledger, settings)


def preview(
    pairs: Sequence[Pair], root: Path, generate: Generate, verify: Verify, ledger_copy: Path, count: int
) -> Iterator[str]:
    """Lines with the opinions of each label check on `count` images, and the cost of all.

    Raises:
        InputError: no opinion is asked for; or as `ask_second_opinions`.
    """
    asked = _asked(pairs, root, generate, verify)
    if not asked:
        raise InputError(
            "--preview asks for opinions; set verify.second_opinion or verify.opinion_without_image to true "
            "in params.yaml"
        )
    settings = paid_settings(generate, verify)
    few = {check: of_check[:count] for check, of_check in asked.items()}
    requests = [of_image.request for of_check in few.values() for of_image in of_check]
    ledger = gemini_run.ask(requests, ledger_copy, settings, schema=ANSWERS_SCHEMA)
    for check, of_check in few.items():
        for (name, question), answer in collect_answers(of_check, ledger).items():
            yield f"{name}  {question}  →  {answer}  [{check}]"
    bill = costs.bill(requests, ledger, settings)
    yield f"spent {bill['usd']:.6f} USD on {bill['requests']} requests"
    prompts = [of_image.request.prompt for of_check in asked.values() for of_image in of_check]
    yield costs.projection(bill, prompts, settings)


def _asked(
    pairs: Sequence[Pair], root: Path, generate: Generate, verify: Verify
) -> dict[str, list[Questions]]:
    is_wanted = {
        "second_opinion": verify.second_opinion,
        "opinion_without_image": verify.opinion_without_image,
    }
    settings = paid_settings(generate, verify)
    return {check: opinion_requests(check, pairs, root, settings) for check in OPINIONS if is_wanted[check]}
