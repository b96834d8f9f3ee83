"""Claude Code's own transcripts (``trace.jsonl``), as agentcgroup publishes them and as every user has them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from wattline.model.runs import Run
from wattline.sim import tables
from wattline.sim.moments import moment
from wattline.sim.recording import Recording, Session, TraceError, Writer, chained
from wattline.sim.traces.agentcgroup import HARNESS, TRUE_COUNTS, experiment
from wattline.sim.traces.asked import EMPTY_OUTPUT, EMPTY_PROMPT, OVERLAP, Asked

NEEDED = frozenset({"sessionId", "message", "timestamp"})
PATTERN = "**/trace.jsonl*"
PLACEHOLDER_TOKENS = 2
"""A run whose outputs have this median or less has streaming placeholders instead of counts (agentcgroup's README)."""

_PARTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


@dataclass(slots=True)
class _Call:
    place: str
    asked_seconds: float
    """When the last input before it was there."""
    ended_seconds: float
    prompt_tokens: int
    output_tokens: int
    tools: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Chain:
    """The calls of one agent or sub-agent of a session."""

    calls: dict[str, _Call] = field(default_factory=dict)
    heard_seconds: float | None = None


def load(path: Path, asked: Asked) -> Recording:
    """Return the runs of a transcript, or of all ``trace.jsonl`` below a folder; each is a session of its own.

    A call's lines carry one message id and its usage; the gap after it is the time until the next one's last input
    (a tool's result, a person's text) was there. Runs whose output counts are placeholders are left out. The
    shortest first prompt is taken for the opening of all. A sub-agent is a run of its own.
    """
    files = sorted(path.glob(PATTERN)) if path.is_dir() else [path]
    if not files:
        raise TraceError(f"{path}: no trace.jsonl below it")
    runs: dict[str, list[_Call]] = {}
    for file in files:
        named = _experiment_of(path, file)
        for name, calls in _calls(file, asked).items():
            known = named is None or any(word in named for word in TRUE_COUNTS)
            if not known or median(call.output_tokens for call in calls) <= PLACEHOLDER_TOKENS:
                asked.notes.count(
                    "runs whose output counts are a streaming placeholder, left out", calls[0].place
                )
            elif name in runs:
                raise TraceError(
                    f"{calls[0].place}: run {name} is in {runs[name][0].place} already; take one out"
                )
            else:
                runs[name] = calls
    if not runs:
        raise TraceError(f"{path}: no run with true output counts in it")
    opening = min(calls[0].prompt_tokens for calls in runs.values())
    return Recording(
        tuple(Session((_run(name, calls, opening, asked),), (0.0,)) for name, calls in runs.items())
    )


def _experiment_of(path: Path, file: Path) -> str | None:
    """Return the name of agentcgroup's experiment where the file lies as in its repository."""
    parts = (
        file.resolve().parts if not path.is_dir() else (*path.resolve().parts, *file.relative_to(path).parts)
    )
    if "experiments" not in parts:
        return None
    return experiment("/".join(parts[parts.index("experiments") + 1 :]))


def _run(name: str, calls: list[_Call], opening_tokens: int, asked: Asked) -> Run:
    gaps: list[float] = []
    for before, after in pairwise(calls):
        gap = after.asked_seconds - before.ended_seconds
        if gap < 0:
            asked.notes.count(OVERLAP, after.place)
        gaps.append(max(0.0, gap))
    return Run(
        name,
        name,
        HARNESS,
        chained(
            Writer(name, HARNESS, opening_tokens),
            [
                (
                    asked.at_least_one(call.prompt_tokens, call.place, EMPTY_PROMPT),
                    asked.at_least_one(call.output_tokens, call.place, EMPTY_OUTPUT),
                    gap,
                )
                for call, gap in zip(calls, [*gaps, 0.0], strict=True)
            ],
            ["+".join(call.tools) for call in calls],
        ),
    )


def _calls(file: Path, asked: Asked) -> dict[str, list[_Call]]:
    chains: dict[str, _Chain] = {}
    for line, value in tables.objects(file):
        kind = value.get("type")
        if kind not in {"user", "assistant"}:
            continue
        place = f"{file}:{line}"
        at = moment(str(value.get("timestamp")))
        if at is None:
            raise TraceError(
                f"{place}: timestamp: expected a date and time, not {str(value.get('timestamp'))[:40]!r}"
            )
        chain = chains.setdefault(_name(place, value), _Chain())
        if kind == "user":
            chain.heard_seconds = at
            continue
        _said(place, value.get("message"), at, chain, asked)
    return {name: list(chain.calls.values()) for name, chain in chains.items() if chain.calls}


def _name(place: str, value: Mapping[str, Any]) -> str:
    session = value.get("sessionId")
    if not isinstance(session, str) or not session:
        raise TraceError(f"{place}: sessionId: expected the session's name")
    agent = value.get("agentId")
    if isinstance(agent, str) and agent:
        return f"{session}/{agent}"
    return f"{session}/side" if value.get("isSidechain") is True else session


def _said(place: str, message: Any, at: float, chain: _Chain, asked: Asked) -> None:
    """Take a line of the model's answer."""
    if not isinstance(message, dict) or not isinstance(message.get("usage"), dict):
        raise TraceError(f"{place}: message: expected what the model said, with its usage")
    name = message.get("id")
    if message.get("model") == "<synthetic>" or not isinstance(name, str):
        asked.notes.count("answers that no model gave (errors of the API), left out", place)
        return
    usage = message["usage"]
    prompt = int(sum(tables.field(place, usage, part, 0) for part in _PARTS))
    output = int(tables.field(place, usage, "output_tokens", 0))
    call = chain.calls.get(name)
    if call is None:
        heard = at if chain.heard_seconds is None else chain.heard_seconds
        call = chain.calls[name] = _Call(place, heard, at, prompt, output)
    call.ended_seconds = max(call.ended_seconds, at)
    call.prompt_tokens = max(call.prompt_tokens, prompt)
    call.output_tokens = max(call.output_tokens, output)
    call.tools.extend(_tools(message.get("content")))


def _tools(content: Any) -> Iterator[str]:
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("type") == "tool_use":
            yield str(block.get("name"))
