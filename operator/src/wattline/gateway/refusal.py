"""Answers that are no completions: OpenAI-shaped errors, with a reason that a program can match."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

from wattline.model.wire import Refusal, RefusalError


class Reason(StrEnum):
    """Why a request was not served; llm-d's words where it has one."""

    SATURATED = "rejected-saturated"
    WAITED = "rejected-ttl-expired"
    NO_ENDPOINTS = "rejected-no-endpoints"
    TOO_LARGE = "rejected-too-large"
    DRAINING = "rejected-draining"
    BAD_REQUEST = "rejected-bad-request"
    NO_SUCH_MODEL = "rejected-no-such-model"
    NO_SUCH_WORKFLOW = "rejected-no-such-workflow"
    BUDGET = "rejected-budget-exhausted"


REASON_HEADERS = ("x-wattline-refused-reason", "x-llm-d-request-dropped-reason")
"""Ours, and the one that clients of llm-d know already."""

TYPES = {400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error", 503: "server_error"}


@dataclass(eq=False)
class Refused(Exception):  # noqa: N818 - it is the word of the wire
    """A request that is not served."""

    status: int
    reason: Reason
    message: str
    code: str | None = None
    param: str | None = None
    retry_after_seconds: int | None = None
    """Wall seconds after which asking again makes sense."""
    headers: Mapping[str, str] = field(default_factory=dict)
    type: str | None = None
    """OpenAI's kind of error; that of the status when unset."""

    def response(self) -> web.Response:
        """Return the HTTP answer."""
        headers = dict(self.headers) | dict.fromkeys(REASON_HEADERS, str(self.reason))
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        return web.json_response(text=error_body(self), status=self.status, headers=headers)


def error_body(refused: Refused) -> str:
    """Return a refusal as OpenAI shapes errors."""
    error = RefusalError(
        message=refused.message,
        type=refused.type or TYPES.get(refused.status, "server_error"),
        code=refused.code or str(refused.reason),
        param=refused.param,
    )
    return Refusal(error=error).model_dump_json(by_alias=True)


def error_event(message: str, code: str, *, typed: bool = False) -> bytes:
    """Return the server-sent event that ends a stream that cannot go on; ``typed`` as ``/v1/responses`` shapes it."""
    error = {"message": message, "type": "server_error", "code": code, "param": None}
    if typed:  # clients look for the message in either place
        event = {"type": "error", "code": code, "message": message, "param": None, "error": error}
        return b"event: error\ndata: " + json.dumps(event).encode() + b"\n\n"
    return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
