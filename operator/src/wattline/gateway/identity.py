"""Who asks: the agent session of a request, from whichever header its client already sends.

Sub-agents are sessions with a parent; energy and fairness are by root. Codex's ``previous_response_id`` is no
session id: it changes with every turn.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from wattline.gateway.prompt import Prompt

MAX_ID_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Rule:
    """Headers of one kind of client; the first rule whose session header is there speaks."""

    session: str
    agent: str | None = None
    """Names the sub-agent inside the session."""
    parent: str | None = None
    root: str | None = None
    """Names the session that this one is a part of."""


RULES = (
    Rule("x-wattline-session", parent="x-wattline-parent-session"),
    Rule("x-claude-code-session-id", agent="x-claude-code-agent-id", parent="x-claude-code-parent-agent-id"),
    Rule("x-dynamo-session-id", parent="x-dynamo-parent-session-id"),
    Rule("thread-id", root="session-id"),  # Codex
    Rule("session-id"),
    Rule("session_id"),
    Rule("x-session-id", parent="x-parent-session-id"),  # OpenCode, AIBrix, generic
    Rule("x-session-affinity"),
    Rule("x-litellm-session-id"),
    Rule("x-litellm-trace-id"),
    Rule("x-smg-routing-key"),
    Rule("x-aibrix-session-key"),
    Rule("x-session-token"),
    Rule("x-correlation-id"),  # aiperf
    Rule("x-agent-id"),
    Rule("x-llm-d-inference-fairness-id"),
)
"""Most telling first; headers that only group requests come last."""

FINAL_HEADER = "x-dynamo-session-final"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose turn a request is."""

    session: str
    parent: str | None = None
    root: str | None = None
    """Root where the request itself says it; else it follows from the parents."""
    final: bool = False
    """It is the session's last turn."""
    source: str = "prompt"
    """What told: a header, ``body``, or ``prompt``: the hash of the first messages."""


def identify(headers: Mapping[str, str], prompt: Prompt) -> Identity:
    """Return whose turn it is. ``headers`` is case-insensitive, as aiohttp's are."""
    final = headers.get(FINAL_HEADER, "").lower() in {"true", "1"}
    for rule in RULES:
        session = _value(headers, rule.session)
        if session is None:
            continue
        if rule.agent is not None and (agent := _value(headers, rule.agent)) is not None:
            parent = _value(headers, rule.parent) if rule.parent else None
            above = session if parent is None else f"{session}/{parent}"
            return Identity(f"{session}/{agent}", above, session, final, rule.session)
        parent = _value(headers, rule.parent) if rule.parent and rule.agent is None else None
        root = _value(headers, rule.root) if rule.root else None
        return Identity(session, parent, root, final, rule.session)
    if "session" in prompt.hints:
        hints = prompt.hints
        return Identity(hints["session"], hints.get("parent"), hints.get("root"), final, "body")
    digest = hashlib.blake2b(prompt.opening, digest_size=12).hexdigest()
    return Identity(f"prompt-{digest}", final=final)


def _value(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name, "").strip()
    if not value:
        return None
    if len(value) > MAX_ID_CHARACTERS:
        return "hash-" + hashlib.blake2b(value.encode(), digest_size=16).hexdigest()
    return value
