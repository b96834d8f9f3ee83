"""A stream of server-sent events passed on as it comes, with the usage read out of it."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """What the engine counted."""

    prompt_tokens: int
    cached_tokens: int | None
    """None where the engine does not say."""
    completion_tokens: int


_ENDS = {"response.completed", "response.incomplete", "response.failed"}
"""Last events of a stream of ``/v1/responses``."""


def usage_of(body: Any) -> Usage | None:
    """Return the usage in a response or chunk, if there is one, by the names of either API."""
    said = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(said, dict):
        return None
    prompt = said.get("prompt_tokens", said.get("input_tokens"))
    completion = said.get("completion_tokens", said.get("output_tokens"))
    if not isinstance(prompt, int):
        return None
    details = said.get("prompt_tokens_details", said.get("input_tokens_details"))
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(
        prompt,
        cached if isinstance(cached, int) else None,
        completion if isinstance(completion, int) else 0,
    )


class Stream:
    """Cuts a stream at the ends of events, so that the one with usage can be taken out."""

    def __init__(self, *, keep_usage: bool, repeats: bool = False) -> None:
        self._keep_usage = keep_usage
        self._repeats = repeats
        self._rest = b""
        self.answer_bytes = 0
        """Bytes that came with new text; with ``repeats``, events that say the whole prompt or answer again count
        for nothing, as those of ``/v1/responses`` do."""
        self.usage: Usage | None = None
        self.done = False
        """The engine ended its answer."""
        self.failed = False
        """The engine said that it cannot go on."""

    def feed(self, data: bytes) -> bytes:
        """Return what can be passed on now: every event that is complete."""
        if not self._repeats:
            self.answer_bytes += len(data)
        data = self._rest + data
        end = max(data.rfind(b"\n\n") + 2, data.rfind(b"\r\n\r\n") + 4)
        if end < 4 and not data.endswith(b"\n\n"):
            self._rest = data
            return b""
        whole, self._rest = data[:end], data[end:]
        self.done |= b"data: [DONE]" in whole
        if self._repeats:
            self.answer_bytes += sum(len(event) for event in _events(whole) if b'.delta"' in event)
        if b'"usage"' not in whole and b'"error"' not in whole:
            return whole
        return b"".join(event for event in _events(whole) if self._passes(event))

    def finish(self) -> bytes:
        """Return what is left when the engine has closed the stream."""
        rest, self._rest = self._rest, b""
        return rest

    def _passes(self, event: bytes) -> bool:
        if b'"usage"' not in event and b'"error"' not in event:
            return True
        try:
            body = json.loads(_data(event))
        except ValueError:
            return True
        if not isinstance(body, dict):
            return True
        if self._repeats:
            self._end_of_response(body)
            return True
        self.failed |= "error" in body and "choices" not in body
        usage = usage_of(body)
        if usage is None:
            return True
        self.usage = usage
        return self._keep_usage or bool(body.get("choices"))

    def _end_of_response(self, body: dict[str, Any]) -> None:
        kind = body.get("type")
        self.failed |= kind in {"response.failed", "error"}
        if kind in _ENDS:
            self.done = True
            self.usage = usage_of(body.get("response")) or self.usage


def _data(event: bytes) -> bytes:
    return b"\n".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))


def _events(whole: bytes) -> list[bytes]:
    separator = b"\r\n\r\n" if b"\r\n\r\n" in whole else b"\n\n"
    return [event + separator for event in whole.split(separator) if event.strip()]
