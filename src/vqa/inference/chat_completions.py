"""OpenAI's chat completions, as far as one question about one image goes.

Source: https://platform.openai.com/docs/api-reference/chat. What is not supported is refused: streaming,
several choices, tools, system turns and conversations. Sampling settings (temperature, top_p, seed) and token
limits are accepted and change nothing: decoding is the pipeline's.
"""

import base64
import math
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from vqa.inference.answerer import Answer

LONGEST_QUESTION = 300  # letters
_MOST_ANSWERS = 20  # of top_logprobs, as OpenAI has it
_OWNER = "abo-vqa"

Json = dict[str, Any]


class RefusedRequestError(Exception):
    """A request that cannot be answered, in OpenAI's terms: `parameter` is the field to mend."""

    def __init__(
        self,
        message: str,
        parameter: str | None = None,
        code: str | None = None,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
    ) -> None:
        super().__init__(message)
        self.parameter, self.code, self.status = parameter, code, status


@dataclass(frozen=True)
class ChatRequest:
    """One question about one image, to one model."""

    model: str
    image: bytes  # of the image's file
    question: str  # as the user wrote it, blanks folded
    alternatives: int  # further answers that are wanted, with their probabilities
    with_logprobs: bool


class _ImageUrl(BaseModel):
    url: str


class _ImagePart(BaseModel):
    type: Literal["image_url"]
    image_url: _ImageUrl


class _TextPart(BaseModel):
    type: Literal["text"]
    text: str


_Part = Annotated[_TextPart | _ImagePart, Field(discriminator="type")]


class _Turn(BaseModel):
    role: str
    content: str | list[_Part]


class _Posted(BaseModel):
    model: str
    messages: list[_Turn]
    stream: bool | None = None
    n: int | None = None
    tools: list[Any] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=_MOST_ANSWERS)] | None = None


def read_chat_request(body: bytes, models: Collection[str]) -> ChatRequest:
    """What is asked.

    Raises:
        RefusedRequestError: it is no chat completion, or one that is not supported.
    """
    try:
        posted = _Posted.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise RefusedRequestError(f"{where}: {first['msg']}", where) from error
    if posted.model not in models:
        names = ", ".join(models)
        raise RefusedRequestError(
            f"there is no model {posted.model!r}; name one of {names}",
            "model",
            "model_not_found",
            HTTPStatus.NOT_FOUND,
        )
    _check_options(posted)
    question, url = _question_and_url(posted.messages)
    return ChatRequest(
        posted.model, _decode_data_url(url), question, posted.top_logprobs or 0, bool(posted.logprobs)
    )


def _check_options(posted: _Posted) -> None:
    if posted.stream:
        raise RefusedRequestError("an answer is one word and comes whole; leave stream out", "stream")
    if posted.n not in (None, 1):
        raise RefusedRequestError("there is one choice; leave n out, or ask for top_logprobs", "n")
    if posted.tools:
        raise RefusedRequestError("the model calls no tools; leave tools out", "tools")
    if posted.top_logprobs and not posted.logprobs:
        raise RefusedRequestError("top_logprobs wants logprobs: true beside it", "top_logprobs")


def _question_and_url(turns: Sequence[_Turn]) -> tuple[str, str]:
    """Of the one turn that there may be."""
    if [turn.role for turn in turns] != ["user"]:
        roles = ", ".join(turn.role for turn in turns) or "none"
        raise RefusedRequestError(
            f"the model reads one turn of the user, with one image and one question; it got: {roles}",
            "messages",
        )
    content = turns[0].content
    parts = [] if isinstance(content, str) else content
    images = [part.image_url.url for part in parts if isinstance(part, _ImagePart)]
    texts = [content] if isinstance(content, str) else [p.text for p in parts if isinstance(p, _TextPart)]
    question = " ".join(" ".join(texts).split())
    if len(images) != 1:
        raise RefusedRequestError(
            f"{len(images)} images came; give one, as a part of type image_url", "messages"
        )
    if not question or len(question) > LONGEST_QUESTION:
        raise RefusedRequestError(f"a question has 1 to {LONGEST_QUESTION} letters; change it", "messages")
    return question, images[0]


def _decode_data_url(url: str) -> bytes:
    head, is_data, content = url.partition(";base64,")
    if not head.startswith("data:") or not is_data:
        raise RefusedRequestError(
            "nothing is fetched from elsewhere; give the image as data:image/jpeg;base64,…", "messages"
        )
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise RefusedRequestError("the image is not base64; encode its file again", "messages") from error


def bare_question(text: str, prompt: str) -> str:
    """The question in a text whose blanks are folded: of the model's whole prompt, what stands in it.

    So neither a bare question nor the prompt that the adapter was trained with is wrapped twice. `prompt`:
    model.prompt, a template with {question}.
    """
    before, after = (" ".join(part.split()) for part in prompt.split("{question}", maxsplit=1))
    is_prompt = text.startswith(before) and text.endswith(after)
    inside = text[len(before) : len(text) - len(after)].strip() if is_prompt else ""
    return inside or text


def list_models(models: Collection[str], since: int) -> Json:
    """The reply to GET /v1/models; `since`: Unix time."""
    return {"object": "list", "data": [describe_model(name, since) for name in models]}


def describe_model(name: str, since: int) -> Json:
    return {"id": name, "object": "model", "created": since, "owned_by": _OWNER}


def complete_chat(request: ChatRequest, answers: Sequence[Answer]) -> Json:
    """The reply: the likeliest answer; on request its log probability, and those of the others.

    An answer counts as one token: its probability is that of the whole word, however many tokens spell it.
    """
    best = answers[0]
    logprobs = None
    if request.with_logprobs:
        others = [_logprob(answer) for answer in answers[: request.alternatives]]
        logprobs = {"content": [_logprob(best) | {"top_logprobs": others}], "refusal": None}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": best.word, "refusal": None},
        "logprobs": logprobs,
        "finish_reason": "stop",
    }
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.model,
        "choices": [choice],
    }


def _logprob(answer: Answer) -> Json:
    log = math.log(answer.probability) if answer.probability > 0 else -9999.0  # OpenAI's word for none
    return {"token": answer.word, "logprob": log, "bytes": list(answer.word.encode())}


def describe_error(message: str, parameter: str | None = None, code: str | None = None) -> Json:
    """OpenAI's form of an error that the caller can mend."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": parameter, "code": code}}
