"""OpenAI's completion calls as vLLM speaks them: requests parsed, responses shaped. No I/O."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wattline.fake.schema import example
from wattline.fake.text import BYTES_PER_TOKEN

_NATURAL_TOKENS = (32, 512)
"""Range of answer lengths where the caller lets the model end by itself."""


class CallError(Exception):
    """A call the engine refuses; carries what the answer says."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        """Return the answer in OpenAI's shape."""
        kind = {400: "invalid_request_error", 404: "not_found_error"}.get(self.status, "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True)
class Call:
    """One parsed completion request."""

    chat: bool
    model: str
    prompts: tuple[bytes, ...]
    """Text of each prompt, on token boundaries; a chat has one."""
    max_tokens: int | None
    ignore_eos: bool
    n: int
    stream: bool
    include_usage: bool
    form: str | None = None
    """The answer to every prompt, on token boundaries, where the caller wants JSON of a schema."""

    def answer_tokens(self, prompt: bytes) -> tuple[int, str]:
        """Return how long each answer to ``prompt`` gets, and the finish reason; without a wish, the prompt decides."""
        if self.ignore_eos and self.max_tokens is not None and self.form is None:
            return self.max_tokens, "length"
        low, high = _NATURAL_TOKENS
        natural = low + int.from_bytes(trace_of(prompt)[:4], "little") % (high - low)
        if self.form is not None:
            natural = len(self.form) // BYTES_PER_TOKEN
        if self.max_tokens is not None and self.max_tokens < natural:
            return self.max_tokens, "length"
        return natural, "stop"


def trace_of(prompt: bytes) -> bytes:
    """Return what names the answers to a prompt: equal prompts get equal answers, in every process."""
    return hashlib.blake2b(prompt, digest_size=12).digest()


def parse(raw: bytes, *, chat: bool) -> Call:
    """Return the call, or raise ``CallError`` with the field that is wrong."""
    body = body_of(raw)
    limit = integer(body, "max_completion_tokens", least=1)
    if limit is None:
        limit = integer(body, "max_tokens", least=1)
    return Call(
        chat=chat,
        model=body["model"],
        prompts=(_chat_prompt(body),) if chat else _prompts(body.get("prompt")),
        max_tokens=limit if limit is not None or chat else 16,
        ignore_eos=bool(body.get("ignore_eos")),
        n=integer(body, "n", least=1, most=128) or 1,
        stream=bool(body.get("stream")),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        form=_form(body.get("response_format")),
    )


def body_of(raw: bytes) -> dict[str, Any]:
    """Return the body of a call that names its model, or raise ``CallError``."""
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise CallError(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise CallError(400, "the body must be a JSON object")
    if not isinstance(body.get("model"), str):
        raise CallError(400, "model must be a string", param="model")
    return body


def integer(body: Mapping[str, Any], name: str, *, least: int, most: int | None = None) -> int | None:
    """Return an integer field, or None where it is not said; raise ``CallError`` where it is no such number."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most and value > most):
        raise CallError(400, f"{name} must be an integer of at least {least}, not {value!r}", param=name)
    return value


def _form(wanted: Any) -> str | None:
    """Return JSON as ``response_format`` wants it, in ASCII, so that bytes and characters agree."""
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            text = json.dumps(example(schema))
        case {"type": "json_object"}:
            text = "{}"
        case _:
            return None
    return text.ljust(-(-len(text) // BYTES_PER_TOKEN) * BYTES_PER_TOKEN)


def _chat_prompt(body: Mapping[str, Any]) -> bytes:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise CallError(400, "messages must be a list with at least one message", param="messages")
    parts = [on_token_boundary(json.dumps(body["tools"]))] if body.get("tools") else []
    for message in messages:
        if not isinstance(message, dict):
            raise CallError(400, "every message must be an object", param="messages")
        parts.append(on_token_boundary(_content(message.get("content"))))
        if message.get("tool_calls"):
            parts.append(on_token_boundary(json.dumps(message["tool_calls"])))
    return b"".join(parts)


def _content(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "".join(str(part.get("text", "")) for part in content)
    raise CallError(400, "content must be a string or a list of parts", param="messages")


def _prompts(prompt: Any) -> tuple[bytes, ...]:
    if isinstance(prompt, str):
        return (on_token_boundary(prompt),)
    if isinstance(prompt, list) and prompt and all(isinstance(token, int) for token in prompt):
        return (b"".join((token & 0xFFFFFFFF).to_bytes(BYTES_PER_TOKEN, "little") for token in prompt),)
    if isinstance(prompt, list) and prompt:
        return tuple(one for each in prompt for one in _prompts(each))
    raise CallError(
        400, "prompt must be a string, a list of token numbers or a list of these", param="prompt"
    )


def on_token_boundary(text: str) -> bytes:
    """Return a text as bytes, filled up to whole tokens."""
    raw = text.encode()
    return raw + b" " * (-len(raw) % BYTES_PER_TOKEN)


def too_long(prompt_tokens: int, answer_tokens: int, longest_tokens: int) -> CallError:
    """Return vLLM's refusal of a call whose context does not fit the model."""
    return CallError(
        400,
        f"This model's maximum context length is {longest_tokens} tokens. However, you requested "
        f"{prompt_tokens + answer_tokens} tokens ({prompt_tokens} in the messages, {answer_tokens} in the completion). "
        "Please reduce the length of the messages or completion.",
        code="context_length_exceeded",
        param="messages",
    )


@dataclass(frozen=True, slots=True)
class Heading:
    """What every part of an answer repeats."""

    id: str
    model: str
    created: int
    chat: bool

    def whole(self, answers: Sequence[tuple[str, str]], usage: dict[str, Any]) -> dict[str, Any]:
        """Return a response without streaming, from (text, finish reason) pairs."""
        return {
            "id": self.id,
            "object": "chat.completion" if self.chat else "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": [
                {"index": index, **self._text(text), "logprobs": None, "finish_reason": reason}
                for index, (text, reason) in enumerate(answers)
            ],
            "usage": usage,
        }

    def chunk(self, index: int, text: str, *, first: bool = False, finish_reason: str | None = None) -> bytes:
        """Return one server-sent event with new text of a choice."""
        delta: dict[str, Any] = {"content": text}
        if first:
            delta["role"] = "assistant"
        part = {"delta": delta} if self.chat else {"text": text}
        return self._event([{"index": index, **part, "logprobs": None, "finish_reason": finish_reason}], None)

    def usage_chunk(self, usage: dict[str, Any]) -> bytes:
        """Return the event with the usage that ``stream_options.include_usage`` asks for."""
        return self._event([], usage)

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> bytes:
        body: dict[str, Any] = {
            "id": self.id,
            "object": "chat.completion.chunk" if self.chat else "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        if usage is not None:
            body["usage"] = usage
        return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"

    def _text(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}


DONE = b"data: [DONE]\n\n"


def usage_of(prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return the usage object."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
    }
