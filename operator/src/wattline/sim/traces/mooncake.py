"""Mooncake's traces (FAST'25, ``conversation_trace.jsonl``): calls with the hashes of their 512-token blocks."""

from array import array
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from wattline.model.context import Context, Extent
from wattline.model.runs import Run, Turn
from wattline.sim import tables
from wattline.sim.recording import Common, Recording, Session, TraceError
from wattline.sim.traces.asked import EMPTY_OUTPUT, EMPTY_PROMPT, SERVED_TOKENS_PER_SECOND, Asked
from wattline.sim.traces.claudecode import exact
from wattline.sim.traces.claudejson import spans

NEEDED = frozenset({"timestamp", "input_length", "output_length", "hash_ids"})
BLOCK_TOKENS = 512
HARNESS = "mooncake"


@dataclass(frozen=True, slots=True)
class _Call:
    at_seconds: float
    blocks: tuple[int, ...]
    prompt_tokens: int
    output_tokens: int


def load(path: Path, asked: Asked) -> Recording:
    """Return conversations: a call that begins with the newest block of an earlier one continues it.

    Equal block numbers are equal beginnings, so contexts share exactly what was shared, across conversations too.
    Every call is a run of its own in its conversation's session; the time between two is think time, less what the
    first is taken to have been served in.
    """
    calls = _calls(path, asked)
    chains = _chains(calls)
    first = calls[0].at_seconds
    return Recording(
        tuple(_session(index, [calls[each] for each in chain]) for index, chain in enumerate(chains)),
        array("d", (calls[chain[0]].at_seconds - first for chain in chains)),
    )


def _calls(path: Path, asked: Asked) -> list[_Call]:
    out: list[_Call] = []
    for line, value in tables.objects(path):
        place = f"{path}:{line}"
        size = asked.at_least_one(int(tables.field(place, value, "input_length")), place, EMPTY_PROMPT)
        output = asked.at_least_one(int(tables.field(place, value, "output_length")), place, EMPTY_OUTPUT)
        at = tables.field(place, value, "timestamp") / 1000
        ids = value.get("hash_ids")
        if not isinstance(ids, list) or not all(isinstance(each, int) and each >= 0 for each in ids):
            raise TraceError(f"{place}: hash_ids: expected a list of block numbers")
        if len(ids) > -(-size // BLOCK_TOKENS):
            raise TraceError(
                f"{place}: {len(ids)} blocks of {BLOCK_TOKENS} tokens for a prompt of {size}; are fields mixed up?"
            )
        if out and at < out[-1].at_seconds:
            asked.notes.count("calls earlier than the one before them, put in order", place)
        out.append(_Call(at, tuple(ids), size, output))
    if not out:
        raise TraceError(f"{path}: no calls in it; fetch it again, or name another")
    return sorted(out, key=lambda call: call.at_seconds)


def _chains(calls: list[_Call]) -> list[list[int]]:
    """Return the calls of each conversation, in the order of their first ones."""
    chains: list[list[int]] = []
    ends: dict[int, int] = {}
    """Newest whole block of a conversation's last call: which conversation."""
    seen: set[int] = set()
    for index, call in enumerate(calls):
        whole = call.blocks[: call.prompt_tokens // BLOCK_TOKENS]
        found = next((block for block in reversed(call.blocks) if block in ends), None)
        if found is None:
            chain = len(chains)
            chains.append([])
        else:
            chain = ends.pop(found)
        chains[chain].append(index)
        if whole and whole[-1] not in seen:  # a block that others brought names no conversation
            ends[whole[-1]] = chain
        seen.update(call.blocks)
    return chains


def _session(number: int, calls: list[_Call]) -> Session:
    name = f"mooncake-{number}"
    runs = tuple(
        Run(f"{name}/{place}", name, HARNESS, (_turn(f"{name}/{place}", call),))
        for place, call in enumerate(calls)
    )
    thinks = [0.0]
    for before, call in pairwise(calls):
        served = before.output_tokens / SERVED_TOKENS_PER_SECOND
        thinks.append(max(0.0, call.at_seconds - before.at_seconds - served))
    return Session(runs, tuple(thinks))


def _turn(name: str, call: _Call) -> Turn:
    context: Context = exact(
        Common(HARNESS), spans(call.blocks), call.prompt_tokens, (name, "tail"), BLOCK_TOKENS
    )
    return Turn(context, Extent((name, "output"), 0, call.output_tokens), 0.0)
