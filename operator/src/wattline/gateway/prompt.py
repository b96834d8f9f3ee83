"""A completion request as the gateway needs it: read once, sent on as it came where possible."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from wattline.gateway import responses
from wattline.gateway.refusal import Reason, Refused

MAX_ID_BYTES = 256
"""Longer ids in hints are ignored (vllm-router's limit)."""


class Api(StrEnum):
    """The kinds of calls, by their path under /v1."""

    CHAT = "chat/completions"
    COMPLETIONS = "completions"
    RESPONSES = "responses"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One parsed request."""

    api: Api
    model: str
    text: bytes
    """What the engine will read, in its order: tools, then messages; equal conversations have equal text."""
    opening_bytes: int
    """Length of the text up to and with the first message of the user."""
    continues: bool
    """It carries turns of the assistant already."""
    stream: bool
    wants_usage: bool
    """The client asked for usage in its stream."""
    sequences: int
    """Answers asked for."""
    hints: Mapping[str, str]
    """Session ids in the body: session, parent, root."""
    body: bytes
    """What is sent to the engine."""

    @property
    def opening(self) -> bytes:
        """Text up to and with the first message of the user."""
        return self.text[: self.opening_bytes]

    def asking_for(self, model: str) -> "Prompt":
        """Return the request under the name by which its engine knows the model."""
        if model == self.model:
            return self
        body = json.dumps(json.loads(self.body) | {"model": model}).encode()
        return replace(self, model=model, body=body)


def parse(raw: bytes, api: Api) -> Prompt:
    """Return the request, or raise `Refused` with what is wrong with it."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _bad(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise _bad("the body must be a JSON object")
    model = data.get("model")
    if not isinstance(model, str):
        raise _bad("model must be a string", "model")
    pieces = list(_PIECES[api](data))
    first = next((end for end, (role, _) in enumerate(pieces, 1) if role == "user"), len(pieces))
    stream = data.get("stream") is True
    options = data.get("stream_options")
    wants = isinstance(options, dict) and bool(options.get("include_usage"))
    splice = stream and not wants and api is not Api.RESPONSES  # which always ends with usage
    return Prompt(
        api=api,
        model=model,
        text=b"".join(part for _, text in pieces for part in text),
        opening_bytes=sum(len(part) for _, text in pieces[:first] for part in text),
        continues=any(role == "assistant" for role, _ in pieces),
        stream=stream,
        wants_usage=wants,
        sequences=_sequences(data, api),
        hints=_hints(data),
        body=_with_usage(raw, data) if splice else raw,
    )


def _messages(data: Mapping[str, Any]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    messages = data.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _bad("messages must be a list with at least one message", "messages")
    if data.get("tools"):
        yield "tools", (json.dumps(data["tools"]).encode(),)
    for message in messages:
        if not isinstance(message, dict):
            raise _bad("every message must be an object", "messages")
        role = str(message.get("role"))
        calls = json.dumps(message["tool_calls"]).encode() if message.get("tool_calls") else b""
        yield role, (role.encode(), b"\0", _content(message.get("content")), b"\0", calls)


def _content(content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode(errors="surrogatepass")
    if content is None:
        return b""
    if isinstance(content, list) and all(isinstance(part, dict) and "text" in part for part in content):
        return "".join(str(part["text"]) for part in content).encode(errors="surrogatepass")
    return json.dumps(content).encode()


def _completion(data: Mapping[str, Any]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    prompt = data.get("prompt")
    if isinstance(prompt, str):
        yield "user", (prompt.encode(errors="surrogatepass"),)
    elif isinstance(prompt, list) and prompt:
        yield "user", (json.dumps(prompt).encode(),)
    else:
        raise _bad("prompt must be a string or a list", "prompt")


_PIECES = {Api.CHAT: _messages, Api.COMPLETIONS: _completion, Api.RESPONSES: responses.pieces}
"""What reads role and text of everything that an engine will read."""


def _sequences(data: Mapping[str, Any], api: Api) -> int:
    if api is Api.RESPONSES:
        return 1
    asked = data.get("n")
    choices = asked if isinstance(asked, int) and asked > 0 else 1
    prompt = data.get("prompt")
    several = (
        api is Api.COMPLETIONS
        and isinstance(prompt, list)
        and bool(prompt)
        and not isinstance(prompt[0], int)
    )
    return choices * (len(prompt) if several and isinstance(prompt, list) else 1)


def _with_usage(raw: bytes, data: dict[str, Any]) -> bytes:
    """Return the body with usage asked for; a body of 400 kB is spliced, not written anew."""
    if "stream_options" not in data:
        start = raw.index(b"{") + 1
        return b"".join((raw[:start], b'"stream_options":{"include_usage":true},', memoryview(raw)[start:]))
    options = data["stream_options"]
    asked = (options if isinstance(options, dict) else {}) | {"include_usage": True}
    return json.dumps(data | {"stream_options": asked}).encode()


_NAMES = {
    "session": ("session_id", "program_id", "task_id"),
    "parent": ("parent_session_id", "parent_program_id"),
    "root": ("root_session_id", "root_program_id", "root"),
}


def _hints(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the session ids in the places where vllm-router, Dynamo and their clients put them."""
    nvext, xargs = data.get("nvext"), data.get("vllm_xargs")
    places = [
        data.get("agent_hint"),
        xargs.get("agentic_context") if isinstance(xargs, dict) else None,
        nvext.get("agent_hints") if isinstance(nvext, dict) else None,
    ]
    found: dict[str, str] = {}
    for place in places:
        said = _object(place)
        for kind, names in _NAMES.items():
            for name in names:
                value = said.get(name)
                if isinstance(value, str) and value.isprintable() and 0 < len(value.encode()) <= MAX_ID_BYTES:
                    found.setdefault(kind, value)
    return found


def _object(place: Any) -> Mapping[str, Any]:
    if isinstance(place, str):
        try:
            place = json.loads(place)
        except ValueError:
            return {}
    return place if isinstance(place, dict) else {}


def _bad(message: str, param: str | None = None) -> Refused:
    return Refused(400, Reason.BAD_REQUEST, message, param=param)
