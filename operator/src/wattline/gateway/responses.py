"""The body of a call to ``/v1/responses``, as far as the gateway reads it.

Only calls that carry their whole conversation can be served by whichever replica has room, and only those say how
much memory they need; what leans on state that one engine keeps is refused with what to do instead. Codex and the
Agents SDK send whole conversations (``store: false``).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wattline.gateway.refusal import Reason, Refused

STATEFUL = ("previous_response_id", "conversation")
"""Fields that name state of a server."""

_OF_ASSISTANT = {"function_call", "custom_tool_call", "local_shell_call", "reasoning"}
"""Items that a model made."""

_TEXTS = ("text", "refusal")
"""Where the parts of a message hold their text."""


def pieces(data: Mapping[str, Any]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Yield role and text of everything the engine will read, in its order; raise `Refused` where there is nothing."""
    _stateless(data)
    if data.get("tools"):
        yield "tools", (json.dumps(data["tools"]).encode(),)
    instructions = data.get("instructions")
    if isinstance(instructions, str) and instructions:
        yield "system", (b"system\0", _bytes(instructions))
    asked = data.get("input")
    if isinstance(asked, str) and asked:
        yield "user", (b"user\0", _bytes(asked))
    elif isinstance(asked, list) and asked:
        for item in asked:
            if not isinstance(item, dict):
                raise _bad("every item of input must be an object", "input")
            yield _item(item)
    else:
        raise _bad("input must be a string or a list with at least one item", "input")


def _stateless(data: Mapping[str, Any]) -> None:
    for field in STATEFUL:
        if data.get(field) is not None:
            raise _bad(
                f"{field} leans on state that no replica here keeps for others; send the whole conversation as input, "
                f"with store: false",
                field,
            )
    if data.get("background"):
        raise _bad("background answers are not kept here; stream them", "background")


def _item(item: Mapping[str, Any]) -> tuple[str, tuple[bytes, ...]]:
    kind = item.get("type", "message")
    if kind == "message" or "role" in item:
        role = str(item.get("role"))
        return role, (_bytes(role), b"\0", _content(item.get("content")))
    if kind == "item_reference":
        raise _bad("item_reference leans on state that no replica here keeps; send the item itself", "input")
    role = "assistant" if kind in _OF_ASSISTANT else "tool"
    said = {name: value for name, value in item.items() if name not in {"id", "status"}}
    return role, (_bytes(role), b"\0", json.dumps(said, sort_keys=True).encode())


def _content(content: Any) -> bytes:
    if isinstance(content, str):
        return _bytes(content)
    if content is None:
        return b""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return b"".join(_part(part) for part in content)
    raise _bad("the content of a message must be a string or a list of parts", "input")


def _part(part: Mapping[str, Any]) -> bytes:
    text = next((part[name] for name in _TEXTS if isinstance(part.get(name), str)), None)
    return json.dumps(part, sort_keys=True).encode() if text is None else _bytes(text)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _bad(message: str, param: str) -> Refused:
    return Refused(400, Reason.BAD_REQUEST, message, param=param)
