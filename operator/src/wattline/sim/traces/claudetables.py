"""Claude Code sessions of kv-cache-tester as tables (``claude_code_weka_requests.csv`` and those beside it)."""

from pathlib import Path

from wattline.model.context import Context, Extent, joined, tokens
from wattline.sim import tables
from wattline.sim.recording import Recording, TraceError
from wattline.sim.traces.asked import EMPTY_OUTPUT, EMPTY_PROMPT, Asked
from wattline.sim.traces.claudecode import (
    BLOCK_TOKENS,
    Called,
    Request,
    exact,
    opened,
    opening_of,
    session,
)

NEEDED = frozenset({"trace_id", "scope", "req_idx", "in", "out", "input_types", "think_time"})

Key = tuple[str, str, str]


def load(path: Path, asked: Asked) -> Recording:
    """Return the sessions.

    With the ``hash_ids_rle`` table beside it contexts are exact to the block, else they follow from
    ``lcp_blocks_prev``. The opening that all sessions of one tool set share is taken from the ``traces``
    table, the places of sub-agents from the ``subagents`` table.
    """
    blocks = _blocks(path)
    openings = _openings(path)
    scopes: dict[str, dict[str, list[Request]]] = {}
    previous: dict[tuple[str, str], Context] = {}
    before: dict[tuple[str, str], float] = {}
    for line, row in tables.numbered(path):
        trace, scope, place = row["trace_id"], row["scope"], f"{path}:{line}"
        index = tables.least(path, row, "req_idx", line=line)
        if index <= before.get((trace, scope), -1.0):
            raise TraceError(
                f"{place}: request {index:g} of {trace} {scope or '(main)'} comes after request "
                f"{before[trace, scope]:g}: a row stands twice, or rows were mixed; fetch the file again"
            )
        before[trace, scope] = index
        size = asked.at_least_one(int(tables.least(path, row, "in", line=line)), place, EMPTY_PROMPT)
        output = asked.at_least_one(int(tables.least(path, row, "out", line=line)), place, EMPTY_OUTPUT)
        spans = blocks.get((trace, scope, row["req_idx"]))
        if spans is not None:
            context = exact(trace, spans, size, (trace, scope, row["req_idx"], "tail"), BLOCK_TOKENS)
        else:
            kept = int(tables.least(path, row, "lcp_blocks_prev", line=line)) * BLOCK_TOKENS
            context = _continued(previous.get((trace, scope), ()), kept, size, (trace, scope, row["req_idx"]))
        previous[trace, scope] = context
        scopes.setdefault(trace, {}).setdefault(scope, []).append(
            Request(
                opened(context, openings.get(trace)),
                output,
                tables.least(path, row, "think_time", line=line),
                "text" in row["input_types"].split("|"),
            )
        )
    if not scopes:
        raise TraceError(f"{path}: no requests in it; fetch it again, or name another")
    called = _calls(path, scopes, asked)
    return Recording(
        tuple(
            session(trace, by_scope, called.get(trace, []), openings.get(trace))
            for trace, by_scope in scopes.items()
        )
    )


def _continued(before: Context, kept_tokens: int, size: int, fresh: Key) -> Context:
    out: list[Extent] = []
    left = min(kept_tokens, size)
    for extent in before:
        length = min(left, extent.tokens)
        out.append(Extent(extent.stream, extent.start, extent.start + length))
        left -= length
    return joined([*out, Extent(fresh, 0, size - tokens(out))])


def _blocks(path: Path) -> dict[Key, list[tuple[int, int]]]:
    table = tables.beside(path, "claude_code_weka_hash_ids_rle.csv")
    if table is None:
        return {}
    _needs(table, "trace_id", "scope", "req_idx", "hash_ids_rle")
    return {
        (row["trace_id"], row["scope"], row["req_idx"]): [
            _span(f"{table}:{line}", word) for word in row["hash_ids_rle"].split()
        ]
        for line, row in tables.numbered(table)
    }


def _span(place: str, word: str) -> tuple[int, int]:
    first, dash, last = word.partition("-")
    if first.isdecimal() and (not dash or last.isdecimal()) and int(first) <= int(last or first):
        return int(first), int(last or first)
    raise TraceError(f"{place}: hash_ids_rle: expected a block or FIRST-LAST, not {word!r}")


def _openings(path: Path) -> dict[str, Extent]:
    table = tables.beside(path, "claude_code_weka_traces.csv")
    if table is None:
        return {}
    key = "trace_id" if "trace_id" in tables.columns(table) else "id"
    _needs(table, key, "tool_tokens")
    out = {}
    for line, row in tables.numbered(table):
        opening = opening_of(int(tables.least(table, row, "tool_tokens", line=line)), BLOCK_TOKENS)
        if opening is not None:
            out[row[key]] = opening
    return out


def _calls(path: Path, scopes: dict[str, dict[str, list[Request]]], asked: Asked) -> dict[str, list[Called]]:
    """Return who called whom; ``parent_pos`` counts the parent's requests and its earlier sub-agents."""
    table = tables.beside(path, "claude_code_weka_subagents.csv")
    if table is None:
        return {}
    _needs(table, "trace_id", "parent_scope", "agent_id", "parent_pos")
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for line, row in tables.numbered(table):
        trace, parent = row["trace_id"], row["parent_scope"]
        child = f"{parent}/{row['agent_id']}" if parent else row["agent_id"]
        if parent not in scopes.get(trace, {}) or child not in scopes[trace]:
            asked.notes.count("sub-agents whose requests are not in the trace, left out", f"{table}:{line}")
            continue
        place = int(tables.least(table, row, "parent_pos", line=line))
        found.setdefault((trace, parent), []).append((place, child))
    out: dict[str, list[Called]] = {}
    for (trace, parent), group in found.items():
        for earlier, (place, child) in enumerate(sorted(group, key=lambda each: each[0])):
            out.setdefault(trace, []).append(Called(parent, child, place - earlier - 1))
    return out


def _needs(table: Path, *names: str) -> None:
    missing = sorted(set(names) - set(tables.columns(table)))
    if missing:
        raise TraceError(f"{table}:1: no column {', '.join(missing)}; take the file away or fetch it again")
