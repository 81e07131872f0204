"""Gemini's batch mode, which only google-genai has: requests go out as a file, responses come back as one."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from vqa.annotators import gemini_models
from vqa.annotators.attachments import attachment
from vqa.annotators.batch_jobs import Result, Uncollectable
from vqa.annotators.dispatcher import REFUSED, UNANSWERED, Request, Response, TryAgain
from vqa.annotators.gemini import PAIRS_SCHEMA, answer_to, genai_client, genai_config, lift_from_httpx
from vqa.annotators.gemini_responses import (
    HttpAnswer,
    dict_in,
    error_status,
    parsed,
    response_in,
    response_to,
    said_in,
)
from vqa.foundation.errors import InputError
from vqa.settings import Generate

_OVER = ("FAILED", "CANCELLED", "EXPIRED", "SUCCEEDED", "PARTIALLY_SUCCEEDED")  # any other state: under way
_NOT_GIVEN_OUT = (400, 403, 404, 410)  # where one job is asked for


class GeminiJobs:
    """Batch jobs of one key; raises as `gemini.client_for`."""

    def __init__(self, settings: Generate, key: str, schema: dict[str, Any] = PAIRS_SCHEMA) -> None:
        from google.genai import errors, types  # noqa: PLC0415  # takes a second, so only when asked for

        gemini_models.check(settings)
        self._settings, self._key = settings, key
        self._types, self._errors = types, errors
        # What is said of jobs is read here, as responses are; up- and downloads take the package's own ways.
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
            ImageError: its picture cannot be decoded.
        """
        parts: list[dict[str, Any]] = [{"text": request.prompt}]
        if request.image_path:
            picture = attachment(request.image_path)
            data = {"mimeType": picture.mime_type, "data": base64.b64encode(picture.data).decode()}
            parts.insert(0, {"inlineData": data})
        body = {"contents": [{"role": "user", "parts": parts}], "generationConfig": self._generation}
        return json.dumps({"key": request.key, "request": body}).encode() + b"\n"

    def submit(self, lines: bytes, label: str) -> str:
        """Hand requests over as one job; returns its name.

        Raises:
            TryAgain: the service could not be reached, or said nothing of use.
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
            for job in map(dict_in, jobs if isinstance(jobs, list) else ()):
                if dict_in(job.get("metadata")).get("displayName") == label:
                    return _name_in(job)
            if is_first and not listed:
                raise TryAgain("an empty listing of batch jobs", text="{}")
            if listed.get("unreachable") or not (isinstance(jobs, list) or token or not listed):
                raise TryAgain(f"no listing of batch jobs, but {str(listed)[:100]!r}")
            if not token:
                return None
            is_first = False

    def result(self, name: str) -> Result | None:
        """What a job left behind that is over; None while it runs.

        Raises:
            Uncollectable: the service does not give this job out, or its file.
            TryAgain, InputError: as `submit`.
        """
        job = self._said(lambda: self._jobs.batches.get(name=name), self._refuse_job)
        metadata, response = dict_in(job.get("metadata")), dict_in(job.get("response"))
        state = re.sub(r"^(BATCH|JOB)_STATE_", "", str(metadata.get("state")))
        files = (dict_in(place).get("responsesFile") for place in (metadata.get("output"), response))
        file = next((str(found) for found in files if found), None)
        error, is_done = dict_in(job.get("error")), job.get("done") is True
        if file and (is_done or state in _OVER):
            with self._translated(self._refuse_job):
                content = self._files.files.download(file=file)
            return Result(content, is_partial=bool(error) or (state in _OVER and state != "SUCCEEDED"))
        if (is_done and error) or (state in _OVER and not state.endswith("SUCCEEDED")):
            return Result(None, reason=" ".join(str(error.get("message") or state).split())[:200])
        return None

    def responses_in(self, content: bytes, name: str) -> tuple[dict[str, Response], bool]:
        """Responses by request key in a job's file, and whether its last line broke off. Raises nothing.

        A request that the service failed to serve has the outcome `unanswered`.
        """
        lines = [line for line in content.decode(errors="replace").split("\n") if line.strip()]
        responses = (self._batched(line, name) for line in lines)
        is_torn = bool(lines) and parsed(lines[-1]) is None
        return {key: response for key, response in responses if key}, is_torn

    def _batched(self, raw: str, job: str) -> tuple[str, Response]:
        """One line of a job's result file: key and response. Raises nothing; "" where no key can be read."""
        line, model = dict_in(parsed(raw)), self._settings.model
        error = dict_in(line.get("error"))
        if error_status(response := line.get("response")) is not None:
            error = dict_in(dict_in(response).get("error"))
        if line.get("key") and "response" in line and not error:
            return str(line["key"]), response_in(json.dumps(line["response"]), model)
        if line.get("key") and error:
            # HTTP 400 or gRPC 3: the request itself is refused; otherwise it may yet pass.
            outcome = REFUSED if error.get("code") in (None, 3, 400) else UNANSWERED
            said = f"{str(error.get('message'))[:200]} ({job})"
            return str(line["key"]), Response(outcome, raw, said, model, 0, 0)
        key = re.search(r'"key"\s*:\s*"([^"]+)"', raw)
        return key[1] if key else "", response_in(raw, model)

    def _said(
        self, ask: Callable[[], Any], refuse: Callable[[HttpAnswer], None] | None = None
    ) -> dict[str, Any]:
        answer = answer_to(ask)
        said = parsed(answer.text)
        if not 200 <= answer.status < 300:
            (refuse or self._refuse)(answer)
        # An operation that failed has a name; an error without one is not the job's.
        if not isinstance(said, dict) or ("error" in said and "name" not in said):
            raise TryAgain(f"no word of a batch job, but {answer.text[:100]!r}")
        return said

    def _refuse(self, answer: HttpAnswer) -> None:
        response = response_to(answer, self._settings.model, self._key)
        raise InputError(f"Gemini refuses the batch: {response.finish_reason}")

    def _refuse_job(self, answer: HttpAnswer) -> None:
        said = said_in(answer, self._key)
        if answer.status in _NOT_GIVEN_OUT and not re.search(r"api.key", said, re.IGNORECASE):
            raise Uncollectable(f"{answer.status} {said}")
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
