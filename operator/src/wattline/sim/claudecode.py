"""Anonymised Claude Code sessions (``claude_code_weka_requests.csv``, plain or gzip'd)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wattline.model.context import Context, Extent, joined, tokens
from wattline.model.runs import Run, Turn
from wattline.sim import tables
from wattline.sim.recording import Session, Shared

NEEDED = frozenset({"trace_id", "scope", "req_idx", "in", "out", "input_types", "think_time"})
BLOCK_TOKENS = 64
LONGEST_THINK_SECONDS = 600.0
"""Human think time is cut here, so that a session's runs stay within one simulated day (p90 is 1277 s)."""

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Request:
    context: Context
    output_tokens: int
    think_seconds: float
    from_human: bool


def load(path: Path) -> tuple[Session, ...]:
    """Return the sessions; text from a human starts a new run of the same session.

    With the ``hash_ids_rle`` table beside it contexts are exact to the block, else they follow from
    ``lcp_blocks_prev``. The opening that all sessions of one tool set share is taken from the ``traces``
    table. The parent waits for its sub-agents, whose turns therefore stand where it called them; a sub-agent
    that the ``subagents`` table does not place is a run of its own.
    """
    blocks = _blocks(path)
    openings = _openings(path)
    called = _calls(path)
    scopes: dict[str, dict[str, list[_Request]]] = {}
    previous: dict[tuple[str, str], Context] = {}
    for row in tables.rows(path):
        trace, scope = row["trace_id"], row["scope"]
        size = max(1, int(tables.number(path, row, "in")))
        kept = int(tables.number(path, row, "lcp_blocks_prev")) * BLOCK_TOKENS
        spans = blocks.get((trace, scope, row["req_idx"]))
        context = (
            _exact(trace, spans, size, row["req_idx"], scope)
            if spans is not None
            else _continued(previous.get((trace, scope), ()), kept, size, (trace, scope, row["req_idx"]))
        )
        previous[trace, scope] = context
        scopes.setdefault(trace, {}).setdefault(scope, []).append(
            _Request(
                _opened(context, openings.get(trace)),
                max(1, int(tables.number(path, row, "out"))),
                tables.number(path, row, "think_time"),
                "text" in row["input_types"].split("|"),
            )
        )
    return tuple(
        _session(trace, by_scope, called.get(trace, []), openings.get(trace))
        for trace, by_scope in scopes.items()
    )


def _session(
    trace: str, scopes: dict[str, list[_Request]], called: list[tuple[str, str, int]], opening: Extent | None
) -> Session:
    harness = opening.stream.harness if opening and isinstance(opening.stream, Shared) else "claude-code"
    placed: dict[tuple[str, int], list[str]] = {}
    for parent, child, position in called:
        full = f"{parent}/{child}" if parent else child
        if full in scopes and full not in ("", parent) and parent in scopes:
            placed.setdefault((parent, position), []).append(full)

    def chain(scope: str) -> Iterator[tuple[str, _Request]]:
        for position, request in enumerate(scopes[scope]):
            yield scope, request
            for child in placed.get((scope, position), ()):
                yield from chain(child)

    children = {child for group in placed.values() for child in group}
    runs: list[Run] = []
    thinks: list[float] = []
    for root in (scope for scope in scopes if scope not in children):
        turns: list[tuple[str, _Request]] = []
        for scope, request in chain(root):
            if turns and scope == root and request.from_human:
                runs.append(_run(trace, len(runs), harness, turns))
                turns = []
            if not turns:
                thinks.append(min(request.think_seconds, LONGEST_THINK_SECONDS) if runs else 0.0)
            turns.append((scope, request))
        if turns:
            runs.append(_run(trace, len(runs), harness, turns))
    return Session(tuple(runs), tuple(thinks))


def _run(trace: str, number: int, harness: str, requests: list[tuple[str, _Request]]) -> Run:
    gaps = [
        0.0 if request.from_human else request.think_seconds for _, request in requests[1:]
    ]  # a sub-agent's first prompt is its parent's text, without a pause before it
    turns = tuple(
        Turn(
            request.context,
            Extent((trace, scope, "out", number, place), 0, request.output_tokens),
            gap,
        )
        for place, ((scope, request), gap) in enumerate(zip(requests, [*gaps, 0.0], strict=True))
    )
    return Run(f"{trace}/{number}", trace, harness, turns)


def _exact(trace: str, spans: list[tuple[int, int]], size: int, index: str, scope: str) -> Context:
    out: list[Extent] = []
    left = size
    for first, last in spans:
        length = min(left, (last - first + 1) * BLOCK_TOKENS)
        out.append(Extent(trace, first * BLOCK_TOKENS, first * BLOCK_TOKENS + length))
        left -= length
    return joined([*out, Extent((trace, scope, index, "tail"), 0, left)])


def _continued(before: Context, kept_tokens: int, size: int, fresh: Key) -> Context:
    out: list[Extent] = []
    left = min(kept_tokens, size)
    for extent in before:
        length = min(left, extent.tokens)
        out.append(Extent(extent.stream, extent.start, extent.start + length))
        left -= length
    return joined([*out, Extent(fresh, 0, size - tokens(out))])


def _opened(context: Context, opening: Extent | None) -> Context:
    """Return the context with its head named as the harness's, so that sessions share it."""
    if opening is None:
        return context
    skip = min(opening.tokens, tokens(context))
    out = [Extent(opening.stream, 0, skip)]
    for extent in context:
        cut = min(skip, extent.tokens)
        skip -= cut
        out.append(Extent(extent.stream, extent.start + cut, extent.end))
    return joined(out)


def _blocks(path: Path) -> dict[Key, list[tuple[int, int]]]:
    table = tables.beside(path, "claude_code_weka_hash_ids_rle.csv")
    if table is None:
        return {}
    return {
        (row["trace_id"], row["scope"], row["req_idx"]): [_span(word) for word in row["hash_ids_rle"].split()]
        for row in tables.rows(table)
    }


def _span(word: str) -> tuple[int, int]:
    first, _, last = word.partition("-")
    return int(first), int(last or first)


def _openings(path: Path) -> dict[str, Extent]:
    table = tables.beside(path, "claude_code_weka_traces.csv")
    if table is None:
        return {}
    key = "trace_id" if "trace_id" in tables.columns(table) else "id"
    out = {}
    for row in tables.rows(table):
        tools = int(tables.number(table, row, "tool_tokens")) // BLOCK_TOKENS * BLOCK_TOKENS
        if tools:
            out[row[key]] = Extent(Shared(f"claude-code/{tools}"), 0, tools)
    return out


def _calls(path: Path) -> dict[str, list[tuple[str, str, int]]]:
    table = tables.beside(path, "claude_code_weka_subagents.csv")
    if table is None:
        return {}
    out: dict[str, list[tuple[str, str, int]]] = {}
    for row in tables.rows(table):
        place = int(tables.number(table, row, "parent_pos"))
        out.setdefault(row["trace_id"], []).append((row["parent_scope"], row["agent_id"], place))
    return out
