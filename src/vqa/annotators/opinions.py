"""Pairs → requests for another model's answers to their questions, with the picture or without → the answers.

One request a picture, never shown the answers; the ledger, the budget and all that comes with them are
generate's.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

from vqa.annotators import costs, gemini_run
from vqa.annotators.account import is_usable
from vqa.annotators.dispatcher import Request
from vqa.annotators.gemini import ANSWERS_SCHEMA
from vqa.annotators.ledger import Ledger
from vqa.annotators.paid_requests import request_for
from vqa.annotators.prompt import pairs_in
from vqa.catalogue.abo import image_path
from vqa.foundation.errors import InputError
from vqa.pairs.normal_form import first_word, normal_form
from vqa.pairs.pair import Pair
from vqa.settings import Generate, Verify

# Witness → its prompt, and whether it sees the picture.
OPINIONS = {"second_opinion": ("second_opinion.txt", True), "blind_opinion": ("blind_opinion.txt", False)}
UNKNOWN_ANSWER = "unknown"  # what a model says that the picture does not show


@dataclass(frozen=True)
class Questions:
    """What is asked about one picture: a request, and the questions in the order of their numbers from 1."""

    request: Request
    questions: tuple[str, ...]


def requests_of(witness: str, pairs: Iterable[Pair], root: Path, settings: Generate) -> list[Questions]:
    """One request a picture, each question once; neither depends on the pairs' order."""
    by_image: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        by_image[pair.image_name].add(pair.question)
    file, sees_picture = OPINIONS[witness]
    template = Template(Path(__file__).with_name(file).read_text(encoding="utf-8"))
    asked = []
    for name, questions in sorted(by_image.items()):
        numbered = tuple(sorted(questions))
        lines = [f"{number}. {' '.join(text.split())}" for number, text in enumerate(numbered, 1)]
        path = image_path(root, name) if sees_picture else None
        prompt = template.substitute(questions="\n".join(lines))
        asked.append(Questions(request_for(name, path, prompt, settings), numbered))
    return asked


def answers_in(asked: Sequence[Questions], ledger: Ledger) -> Mapping[tuple[str, str], str]:
    """Picture and question → the answer in normal form, of what was answered; "unknown" is none."""
    found: dict[tuple[str, str], str] = {}
    for of_image in asked:
        entry = ledger.get(of_image.request.key)
        if entry is None or not is_usable(entry):
            continue
        said = {pair.question: pair.answer for pair in pairs_in(entry.text, entry.image_name, "")}
        for number, question in enumerate(of_image.questions, 1):
            answer = normal_form(first_word(said.get(str(number), "")))
            if answer and answer != UNKNOWN_ANSWER:
                found[of_image.request.image_name, question] = answer
    return found


def paid_settings(generate: Generate, verify: Verify) -> Generate:
    """How opinions are asked: as pairs are, but for the model and its price."""
    return replace(
        generate,
        model=verify.model,
        usd_per_million_input_tokens=verify.usd_per_million_input_tokens,
        usd_per_million_output_tokens=verify.usd_per_million_output_tokens,
        thinking=verify.thinking,
    )


def opinions_on(
    pairs: Sequence[Pair], root: Path, generate: Generate, verify: Verify, ledger_copy: Path
) -> tuple[dict[str, Mapping[tuple[str, str], str]], dict[str, Any]]:
    """The answers of each witness of OPINIONS that is asked for, and the bill; of none nothing, for nothing.

    `ledger_copy`: what DVC versions of the ledger.

    Raises:
        InputError: as `gemini_run.ask`; nothing paid is lost.
    """
    asked = _asked(pairs, root, generate, verify)
    requests = [of_image.request for of_witness in asked.values() for of_image in of_witness]
    settings = paid_settings(generate, verify)
    ledger = gemini_run.ask(requests, ledger_copy, settings, schema=ANSWERS_SCHEMA) if requests else None
    gemini_run.write_copy(ledger_copy, ledger, requests)
    if ledger is None:
        return {}, {}
    answers = {witness: answers_in(of_witness, ledger) for witness, of_witness in asked.items()}
    return answers, costs.bill(requests, ledger, settings)


def preview(
    pairs: Sequence[Pair], root: Path, generate: Generate, verify: Verify, ledger_copy: Path, count: int
) -> Iterator[str]:
    """Lines: the opinions on `count` pictures, each witness's, and what all would cost.

    Raises:
        InputError: no opinion is asked for; or as `opinions_on`.
    """
    asked = _asked(pairs, root, generate, verify)
    if not asked:
        raise InputError(
            "--preview asks for opinions; set verify.second_opinion or verify.blind_opinion to true in "
            "params.yaml"
        )
    settings = paid_settings(generate, verify)
    few = {witness: of_witness[:count] for witness, of_witness in asked.items()}
    requests = [of_image.request for of_witness in few.values() for of_image in of_witness]
    ledger = gemini_run.ask(requests, ledger_copy, settings, schema=ANSWERS_SCHEMA)
    for witness, of_witness in few.items():
        for (name, question), answer in answers_in(of_witness, ledger).items():
            yield f"{name}  {question}  →  {answer}  [{witness}]"
    bill = costs.bill(requests, ledger, settings)
    yield f"spent {bill['usd']:.6f} USD on {bill['requests']} requests"
    prompts = [of_image.request.prompt for of_witness in asked.values() for of_image in of_witness]
    yield costs.projection(bill, prompts, settings)


def _asked(
    pairs: Sequence[Pair], root: Path, generate: Generate, verify: Verify
) -> dict[str, list[Questions]]:
    is_wanted = {"second_opinion": verify.second_opinion, "blind_opinion": verify.blind_opinion}
    settings = paid_settings(generate, verify)
    return {
        witness: requests_of(witness, pairs, root, settings) for witness in OPINIONS if is_wanted[witness]
    }
