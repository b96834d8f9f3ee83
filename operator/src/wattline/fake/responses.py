"""OpenAI's Responses API as vLLM speaks it: requests parsed, responses and their events shaped. No I/O."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from wattline.fake.openai import Call, CallError, body_of, integer, on_token_boundary


def parse(raw: bytes) -> Call:
    """Return the call, or raise ``CallError`` with the field that is wrong."""
    body = body_of(raw)
    if body.get("previous_response_id") is not None:
        raise CallError(404, "responses are not stored", param="previous_response_id")
    return Call(
        chat=True,
        model=body["model"],
        prompts=(_prompt(body),),
        max_tokens=integer(body, "max_output_tokens", least=1),
        ignore_eos=bool(body.get("ignore_eos")),
        n=1,
        stream=bool(body.get("stream")),
        include_usage=False,
    )


def _prompt(body: Mapping[str, Any]) -> bytes:
    asked = body.get("input")
    if isinstance(asked, str) and asked:
        items: list[Any] = [{"role": "user", "content": asked}]
    elif isinstance(asked, list) and asked and all(isinstance(item, dict) for item in asked):
        items = asked
    else:
        raise CallError(400, "input must be a string or a list with at least one item", param="input")
    parts = [json.dumps(body["tools"])] if body.get("tools") else []
    if body.get("instructions"):
        parts.append(str(body["instructions"]))
    return b"".join(on_token_boundary(part) for part in (*parts, *map(_item, items)))


def _item(item: Mapping[str, Any]) -> str:
    content = item.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "".join(str(part.get("text", "")) for part in content)
    return json.dumps({name: value for name, value in item.items() if name not in {"id", "status"}})


def usage_of(prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return the usage object."""
    return {
        "input_tokens": prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached_tokens},
        "output_tokens": completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt_tokens + completion_tokens,
    }


@dataclass(slots=True)
class Heading:
    """One response, and the events in which it is streamed."""

    id: str
    model: str
    created: int
    _numbers: Iterator[int] = field(default_factory=count)

    def whole(self, text: str, finish_reason: str, usage: dict[str, Any]) -> dict[str, Any]:
        """Return a response without streaming."""
        return self._response(_status(finish_reason), [self._message(text, "completed")], usage)

    def opening(self) -> bytes:
        """Return the events before the first text."""
        return b"".join(
            (
                self._event("created", response=self._response("in_progress", [], None)),
                self._event("in_progress", response=self._response("in_progress", [], None)),
                self._event("output_item.added", output_index=0, item=self._message(None, "in_progress")),
                self._event("content_part.added", **self._place(), part=_part("")),
            )
        )

    def delta(self, text: str) -> bytes:
        """Return the event with new text."""
        return self._event("output_text.delta", **self._place(), delta=text, logprobs=[])

    def closing(self, text: str, finish_reason: str, usage: dict[str, Any]) -> bytes:
        """Return the events after the last text; the last of them says all of it again, with usage."""
        status = _status(finish_reason)
        response = self._response(status, [self._message(text, "completed")], usage)
        return b"".join(
            (
                self._event("output_text.done", **self._place(), text=text, logprobs=[]),
                self._event("content_part.done", **self._place(), part=_part(text)),
                self._event("output_item.done", output_index=0, item=self._message(text, "completed")),
                self._event(status, response=response),
            )
        )

    def failure(self, message: str) -> bytes:
        """Return the event that ends a response that cannot go on."""
        response = self._response("failed", [], None)
        error = {"code": "server_error", "message": message}
        return self._event("failed", response=response | {"error": error})

    def _place(self) -> dict[str, Any]:
        return {"item_id": f"msg_{self.id}", "output_index": 0, "content_index": 0}

    def _message(self, text: str | None, status: str) -> dict[str, Any]:
        content = [] if text is None else [_part(text)]
        return {
            "id": f"msg_{self.id}",
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def _response(
        self, status: str, output: list[dict[str, Any]], usage: dict[str, Any] | None
    ) -> dict[str, Any]:
        incomplete = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": f"resp_{self.id}",
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": None,
            "incomplete_details": incomplete,
            "instructions": None,
            "metadata": {},
            "model": self.model,
            "output": output,
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": usage,
        }

    def _event(self, kind: str, **more: Any) -> bytes:
        name = f"response.{kind}"
        body = {"type": name, "sequence_number": next(self._numbers), **more}
        data = json.dumps(body, separators=(",", ":")).encode()
        return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _status(finish_reason: str) -> str:
    return "incomplete" if finish_reason == "length" else "completed"


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
