"""Answers that a service may give with status 200 and that are paid for, whatever they mean."""

import json
from dataclasses import dataclass
from typing import Any

from gemini_server import PAIRS, Response, answer

GOOD: dict[str, Any] = answer(json.dumps(PAIRS)).body


@dataclass(frozen=True)
class Fault:
    response: Response
    outcome: str
    kept: str = ""  # of what came back, in the ledger


def _body(**changes: Any) -> Response:
    return Response({**GOOD, **changes})


def _candidate(**changes: Any) -> Response:
    return _body(candidates=[{**GOOD["candidates"][0], **changes}])


FAULTS = {
    "a finish reason above 11": Fault(answer("paid", finish=17), "finish_reason_17", "paid"),
    "a finish reason of a new name": Fault(answer("paid", finish="NEW_REASON"), "new_reason", "paid"),
    "a finish reason that is a list": Fault(answer("paid", finish=["STOP"]), "list", "paid"),
    "a known finish reason by number": Fault(answer("", finish=11), "image_safety"),
    "no finish reason": Fault(answer(json.dumps(PAIRS), finish=None), "answered", "What color"),
    "a block reason above 5": Fault(
        Response({"promptFeedback": {"blockReason": 17}}), "blocked_prompt_block_reason_17", "17"
    ),
    "a block reason of a new name": Fault(
        Response({"promptFeedback": {"blockReason": "JAILBREAK"}}), "blocked_prompt_jailbreak", "JAILBREAK"
    ),
    "a page of HTML": Fault(Response(b"<html>Log in</html>"), "not_understood", "Log in"),
    "a list": Fault(Response([GOOD]), "not_understood", "What color"),
    "half a body": Fault(Response(json.dumps(GOOD).encode()[:90]), "not_understood", "candidates"),
    "an empty body": Fault(Response(b""), "not_understood"),
    "null": Fault(Response(None), "not_understood", "null"),
    "a body that is not UTF-8": Fault(Response("größer".encode("latin-1")), "not_understood", "gr"),
    "a body nested too deep": Fault(Response(b'{"a":' * 5000), "not_understood", '{"a":{"a":'),
    "no candidates": Fault(_body(candidates=[]), "no_candidates", "candidates"),
    "candidates that are a text": Fault(_body(candidates="paid"), "not_understood", "paid"),
    "a candidate that is a number": Fault(_body(candidates=[4]), "not_understood", "[4]"),
    "content that is a list": Fault(_candidate(content=["paid"]), "no_text_stop", "paid"),
    "parts of another kind": Fault(
        _candidate(content={"parts": [{"table": "paid"}]}), "no_text_stop", "paid"
    ),
    "a text that is a number": Fault(_candidate(content={"parts": [{"text": 4711}]}), "no_text_stop", "4711"),
    "thoughts only": Fault(
        _candidate(content={"parts": [{"text": "hm", "thought": True}]}), "no_text_stop", "hm"
    ),
    "half a character": Fault(answer("\ud800"), "not_parsable", "?"),
    "no usage": Fault(_body(usageMetadata=None), "answered", "What color"),
    "usage in words": Fault(_body(usageMetadata={"promptTokenCount": "many"}), "answered", "What color"),
    "usage without end": Fault(_body(usageMetadata={"totalTokenCount": 10**400}), "answered", "What color"),
    "a model's name that is a number": Fault(_body(modelVersion=31), "answered", "What color"),
    "a status that is a text": Fault(_body(modelStatus="fine"), "answered", "What color"),
}
