"""Claude Code sessions as kv-cache-tester publishes them: one JSON object a session (``traces/trace_NNNN.json``)."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from wattline.model.context import Extent
from wattline.sim import tables
from wattline.sim.recording import Common, Recording, Session, TraceError
from wattline.sim.traces.asked import EMPTY_OUTPUT, EMPTY_PROMPT, SERVED_TOKENS_PER_SECOND, Asked
from wattline.sim.traces.claudecode import Called, Request, exact, opened, opening_of, session

NEEDED = frozenset({"requests", "block_size"})
PATTERN = "trace_*.json*"


@dataclass(slots=True)
class _Reading:
    """One session while it is read."""

    place: str
    stream: Hashable
    block_tokens: int
    opening: Extent | None
    asked: Asked
    scopes: dict[str, list[Request]] = field(default_factory=dict)
    called: list[Called] = field(default_factory=list)


def load(path: Path, asked: Asked) -> Recording:
    """Return the sessions of a file, of a file with one of them a line, or of a folder of such files.

    Contexts are exact to the block. A file without ``think_time`` tells only when requests began: there the gap is
    what is left of the time between two of them after the first was served.
    """
    sessions: list[Session] = []
    seen: dict[str, str] = {}
    for place, value in _values(path):
        name = value.get("id")
        if not isinstance(name, str) or not name:
            raise TraceError(f"{place}: id: expected the session's name")
        if name in seen:
            raise TraceError(f"{place}: session {name} is in {seen[name]} already; take one of the two out")
        seen[name] = place
        made = _session(place, name, value, asked)
        if made.runs:
            sessions.append(made)
        else:
            asked.notes.count("sessions without a request, left out", place)
    if not sessions:
        raise TraceError(f"{path}: no session with a request in it; fetch it again, or name another")
    return Recording(tuple(sessions))


def _values(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    files = sorted(each for each in path.glob(PATTERN) if each.is_file()) if path.is_dir() else [path]
    for file in files:
        if ".jsonl" in file.name:
            yield from ((f"{file}:{line}", value) for line, value in tables.objects(file))
            continue
        value = tables.document(file)
        if not isinstance(value, dict):
            raise TraceError(f"{file}: expected one JSON object, a session")
        yield str(file), value


def _session(place: str, name: str, value: Mapping[str, Any], asked: Asked) -> Session:
    block = int(tables.field(place, value, "block_size"))
    if block < 1:
        raise TraceError(f"{place}: block_size: expected at least 1 token, not {block}")
    apart = value.get("hash_id_scope") != "global"
    opening = opening_of(int(tables.field(place, value, "tool_tokens", 0)), block) if apart else None
    reading = _Reading(place, name if apart else Common("claude-code"), block, opening, asked)
    _read(reading, name, "", value.get("requests"))
    return session(name, reading.scopes, reading.called, opening)


def _read(reading: _Reading, trace: str, scope: str, requests: Any, depth: int = 0) -> None:
    if not isinstance(requests, list) or depth > 8:
        raise TraceError(f"{reading.place}: requests of {scope or 'the session'}: expected a list")
    numbers = count()
    ended: float | None = None
    for index, entry in enumerate(requests):
        place = f"{reading.place}: request {index}" + (f" of {scope}" if scope else "")
        if not isinstance(entry, dict):
            raise TraceError(f"{place}: expected an object")
        if entry.get("type") == "subagent":
            child = f"{scope}/{entry.get('agent_id')}" if scope else str(entry.get("agent_id"))
            if child in reading.scopes:
                raise TraceError(f"{place}: sub-agent {child} was here before; take one of the two out")
            _read(reading, trace, child, entry.get("requests"), depth + 1)
            after = len(reading.scopes.get(scope, ())) - 1
            if child in reading.scopes:
                reading.called.append(Called(scope, child, after))
            else:
                reading.asked.notes.count("sub-agents without a request, left out", place)
            continue
        request, ended = _request(reading, place, (trace, scope, next(numbers)), entry, ended)
        reading.scopes.setdefault(scope, []).append(request)


def _request(
    reading: _Reading, place: str, name: tuple[str, str, int], entry: Mapping[str, Any], ended: float | None
) -> tuple[Request, float]:
    """Return a request, and when it had been served."""
    asked = reading.asked
    size = asked.at_least_one(int(tables.field(place, entry, "in")), place, EMPTY_PROMPT)
    output = asked.at_least_one(int(tables.field(place, entry, "out", 0)), place, EMPTY_OUTPUT)
    spans = _spans(place, entry.get("hash_ids", []))
    context = exact(reading.stream, spans, size, (*name, "tail"), reading.block_tokens)
    began = tables.field(place, entry, "t")
    think = 0.0 if ended is None else max(0.0, began - ended)
    think = tables.field(place, entry, "think_time", think)
    kinds = entry.get("input_types")
    served = tables.field(place, entry, "api_time", output / SERVED_TOKENS_PER_SECOND)
    return (
        Request(opened(context, reading.opening), output, think, isinstance(kinds, list) and "text" in kinds),
        began + served,
    )


def _spans(place: str, ids: Any) -> list[tuple[int, int]]:
    """Return stretches of consecutive blocks as first and last."""
    if not isinstance(ids, list) or not all(isinstance(each, int) and each >= 0 for each in ids):
        raise TraceError(f"{place}: hash_ids: expected a list of block numbers")
    return spans(ids)


def spans(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Return the stretches of consecutive numbers in a sequence as first and last."""
    out: list[tuple[int, int]] = []
    for each in ids:
        if out and out[-1][1] + 1 == each:
            out[-1] = (out[-1][0], each)
        else:
            out.append((each, each))
    return out
