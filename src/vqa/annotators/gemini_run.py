"""One run that asks Gemini: open ledger and jobs, and ask what is missing, one by one or in batches.

Batch mode is google-genai's alone: requests go out as a file, responses come back as one.
"""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx2

from vqa.annotators import gemini_models, paid_requests
from vqa.annotators.batches import Result, Uncollectable
from vqa.annotators.costs import projection
from vqa.annotators.gemini import (
    PAIRS_SCHEMA,
    api_key,
    build_client,
    genai_client,
    genai_config,
    lift_from_httpx,
    parse_answer,
)
from vqa.annotators.gemini_models import check_price, price_on
from vqa.annotators.gemini_responses import (
    HttpAnswer,
    answer_text,
    as_dict,
    error_status,
    parse_response,
    parsed,
    read_response,
)
from vqa.annotators.ledger import Jobs, Ledger
from vqa.annotators.prompt import attachment, build_prompt
from vqa.annotators.scheduler import REFUSED, UNANSWERED, Request, Response, TryAgain
from vqa.catalogue.abo import Product
from vqa.core.errors import InputError
from vqa.core.state_dir import state_folder
from vqa.pairs.pair import Pair
from vqa.settings import Generate

_OVER = ("FAILED", "CANCELLED", "EXPIRED", "SUCCEEDED", "PARTIALLY_SUCCEEDED")  # any other state: under way
_NOT_GIVEN_OUT = (400, 403, 404, 410)  # where one job is asked for


class GeminiJobs:
    """Batch jobs of one key; raises as `gemini.build_client`."""

    def __init__(self, settings: Generate, key: str, schema: dict[str, Any] = PAIRS_SCHEMA) -> None:
        from google.genai import errors, types  # noqa: PLC0415  # takes a second, so only when asked for

        gemini_models.check(settings)
        self._settings, self._key = settings, key
        self._types, self._errors = types, errors
        # Answers about jobs are read here, as responses are; the package handles uploads and downloads.
        self._jobs, self._files = (
            genai_client(settings, key, [lift_from_httpx]),
            genai_client(settings, key, []),
        )
        self._generation = genai_config(settings, schema).model_dump(
            mode="json", by_alias=True, exclude_none=True
        )

    def line(self, request: Request) -> bytes:
        """The request as a line of a job's file, in the protocol's own JSON.

        Raises:
            ImageError: its image cannot be decoded.
        """
        parts: list[dict[str, Any]] = [{"text": request.prompt}]
        if request.image_path:
            image = attachment(request.image_path)
            data = {"mimeType": image.mime_type, "data": base64.b64encode(image.data).decode()}
            parts.insert(0, {"inlineData": data})
        body = {"contents": [{"role": "user", "parts": parts}], "generationConfig": self._generation}
        return json.dumps({"key": request.key, "request": body}).encode() + b"\n"

    def submit(self, lines: bytes, label: str) -> str:
        """Submit requests as one job; returns its name.

        Raises:
            TryAgain: the service could not be reached, or its answer was not usable.
            InputError: it refuses.
        """
        upload = self._types.UploadFileConfig(mime_type="application/jsonl", display_name=label)
        with self._translated():
            file = self._files.files.upload(file=io.BytesIO(lines), config=upload)
        config = self._types.CreateBatchJobConfig(display_name=label)
        model, create = self._settings.model, self._jobs.batches.create
        return _name_in(self._said(lambda: create(model=model, src=file.name, config=config)))

    def job_labelled(self, label: str) -> str | None:
        """The name of the job that was submitted under `label`, if there is one.

        Raises:
            TryAgain: as `submit`; with text `{}` where that is all that the service says of its jobs.
        """
        token, is_first = None, True
        while True:
            config = self._types.ListBatchJobsConfig(page_token=token)
            listed = self._said(lambda: self._jobs.batches.list(config=config))  # noqa: B023  # called at once
            jobs, token = listed.get("operations"), listed.get("nextPageToken")
            for job in map(as_dict, jobs if isinstance(jobs, list) else ()):
                if as_dict(job.get("metadata")).get("displayName") == label:
                    return _name_in(job)
            if is_first and not listed:
                raise TryAgain("an empty listing of batch jobs", text="{}")
            if listed.get("unreachable") or not (isinstance(jobs, list) or token or not listed):
                raise TryAgain(f"no listing of batch jobs, but {str(listed)[:100]!r}")
            if not token:
                return None
            is_first = False

    def result(self, name: str) -> Result | None:
        """The result of a job that has ended; None while it runs.

        Raises:
            Uncollectable: the service does not return this job, or its file.
            TryAgain, InputError: as `submit`.
        """
        job = self._said(lambda: self._jobs.batches.get(name=name), self._refuse_job)
        metadata, response = as_dict(job.get("metadata")), as_dict(job.get("response"))
        state = re.sub(r"^(BATCH|JOB)_STATE_", "", str(metadata.get("state")))
        files = (as_dict(place).get("responsesFile") for place in (metadata.get("output"), response))
        file = next((str(place_name) for place_name in files if place_name), None)
        error, is_done = as_dict(job.get("error")), job.get("done") is True
        if file and (is_done or state in _OVER):
            with self._translated(self._refuse_job):
                content = self._files.files.download(file=file)
            return Result(content, is_partial=bool(error) or (state in _OVER and state != "SUCCEEDED"))
        if (is_done and error) or (state in _OVER and not state.endswith("SUCCEEDED")):
            return Result(None, reason=" ".join(str(error.get("message") or state).split())[:200])
        return None

    def cancel(self, name: str) -> None:
        """Ask the service to end a job; `result` shows when it has.

        Raises:
            Uncollectable: the service refuses for this job.
            TryAgain, InputError: as `submit`.
        """
        self._said(lambda: self._jobs.batches.cancel(name=name), self._refuse_job)

    def read_responses(self, content: bytes, name: str) -> tuple[dict[str, Response], bool]:
        """Responses by request key in a job's file, and whether its last line broke off. Raises nothing.

        A request that the service failed to serve has the outcome `unanswered`.
        """
        lines = [line for line in content.decode(errors="replace").split("\n") if line.strip()]
        responses = (self._batched(line, name) for line in lines)
        is_torn = bool(lines) and parsed(lines[-1]) is None
        return {key: response for key, response in responses if key}, is_torn

    def _batched(self, raw: str, job: str) -> tuple[str, Response]:
        """One line of a job's result file: key and response. Raises nothing; "" where no key can be read."""
        line, model = as_dict(parsed(raw)), self._settings.model
        error = as_dict(line.get("error"))
        if error_status(response := line.get("response")) is not None:
            error = as_dict(as_dict(response).get("error"))
        if line.get("key") and "response" in line and not error:
            return str(line["key"]), read_response(json.dumps(line["response"]), model)
        if line.get("key") and error:
            # HTTP 400 or gRPC 3: the request itself is refused; otherwise it may yet pass.
            outcome = REFUSED if error.get("code") in (None, 3, 400) else UNANSWERED
            reason = f"{str(error.get('message'))[:200]} ({job})"
            return str(line["key"]), Response(outcome, raw, reason, model, 0, 0)
        key = re.search(r'"key"\s*:\s*"([^"]+)"', raw)
        return key[1] if key else "", read_response(raw, model)

    def _said(
        self, ask: Callable[[], Any], refuse: Callable[[HttpAnswer], None] | None = None
    ) -> dict[str, Any]:
        answer = parse_answer(ask)
        body = parsed(answer.text)
        if not 200 <= answer.status < 300:
            (refuse or self._refuse)(answer)
        # An operation that failed has a name; an error without one is not the job's.
        if not isinstance(body, dict) or ("error" in body and "name" not in body):
            raise TryAgain(f"no word of a batch job, but {answer.text[:100]!r}")
        return body

    def _refuse(self, answer: HttpAnswer) -> None:
        response = parse_response(answer, self._settings.model, self._key)
        raise InputError(f"Gemini refuses the batch: {response.finish_reason}")

    def _refuse_job(self, answer: HttpAnswer) -> None:
        message = answer_text(answer, self._key)
        if answer.status in _NOT_GIVEN_OUT and not re.search(r"api.key", message, re.IGNORECASE):
            raise Uncollectable(f"{answer.status} {message}")
        self._refuse(answer)

    @contextmanager
    def _translated(self, refuse: Callable[[HttpAnswer], None] | None = None) -> Iterator[None]:
        """The package's errors as ours, for up- and downloads."""
        try:
            yield
        except httpx2.RequestError as error:
            raise TryAgain(type(error).__name__) from None
        except self._errors.APIError as error:
            content = json.dumps(error.details).encode()
            (refuse or self._refuse)(HttpAnswer(error.code, error.response.headers, content))


def _name_in(job: dict[str, Any]) -> str:
    name = job.get("name")
    if not isinstance(name, str):
        raise TryAgain("a batch job without a name")
    return name


def jobs_next_to(ledger_copy: Path) -> Jobs:
    """The batch jobs under way; before .state existed they were kept beside DVC's copy of the ledger."""
    old = old_jobs(ledger_copy)
    return Jobs(state_folder("ledger") / old.name, old)


def old_jobs(ledger_copy: Path) -> Path:
    """Where jobs were kept before .state existed."""
    return ledger_copy.with_name("jobs.jsonl")


def ask(
    requests: Sequence[Request],
    ledger_copy: Path,
    settings: Generate,
    retry: bool = False,
    schema: dict[str, Any] = PAIRS_SCHEMA,
    today: date | None = None,
) -> Ledger:
    """Ask what the ledger does not hold, and return it; `ledger_copy`: the copy that DVC versions.

    Raises:
        InputError: there is no key, the price is not known or has run out, jobs are under way that
            this mode does not collect, or as `paid_requests` says; nothing paid is lost.
    """
    key = api_key()
    price_on(
        today or date.today(), settings
    )  # of what is in the ledger too: the bill says what it should cost
    ledger, jobs = Ledger(state_folder("ledger") / ledger_copy.name, ledger_copy), jobs_next_to(ledger_copy)
    print(f"{len(ledger)} paid answers are in {state_folder('ledger')}")
    if jobs.open() or paid_requests.unrecorded(requests, ledger, retry):
        check_price(settings, today or date.today())
        ledger.claim()  # before anything is paid for; this also reads what another run has bought until now
        jobs.claim()
    if settings.mode == "batch":
        batches = GeminiJobs(settings, key, schema)
        paid_requests.ask_in_batches(
            requests, ledger, jobs, batches, settings, lambda by: build_client(by, key, schema).send, retry
        )
    elif under_way := paid_requests.under_way(requests, ledger, jobs):
        raise InputError(
            f"{len(under_way)} batch jobs are under way and paid for; set generate.mode to batch in "
            "params.yaml and run again to collect them, or give them up with --forget "
            f"({', '.join(job.name or job.label for job in under_way)})"
        )
    else:
        paid_requests.ask_missing(requests, ledger, build_client(settings, key, schema).send, settings, retry)
    return ledger


def write_copy(ledger_copy: Path, ledger: Ledger | None, requests: Sequence[Request]) -> None:
    """Write the copy that DVC versions, with these requests; an empty one if nothing was asked."""
    if ledger is not None:
        ledger.write_copy(request.key for request in requests)
        old_jobs(ledger_copy).unlink(missing_ok=True)
    elif not ledger_copy.exists():
        ledger_copy.parent.mkdir(parents=True, exist_ok=True)
        ledger_copy.touch()


def preview(
    pairs: Sequence[Pair], asked: Mapping[str, Any], products: Sequence[Product], settings: Generate
) -> Iterator[str]:
    """Lines: the previewed pairs, what they came to (`asked`: outcomes and bill), what all would cost."""
    for pair in pairs:
        yield f"{pair.image_name}  {pair.question}  →  {pair.answer}  [{pair.question_type}]"
    bill = asked["bill"]
    prompts = [build_prompt(product, settings.questions_per_image) for product in products]
    yield f"outcomes {asked['outcomes']}, spent {bill['usd']:.6f} USD on {bill['requests']} images"
    yield projection(bill, prompts, settings)
