"""What a gateway writes of the turns it served (``wattline gateway --record``, ``wattline record``)."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from wattline.model.context import Context, Extent, head, joined, shared_tokens, tokens
from wattline.model.runs import Run, Turn
from wattline.model.wire import TurnRecord
from wattline.sim import tables
from wattline.sim.recording import Common, Recording, Session, TraceError
from wattline.sim.traces.asked import EMPTY_OUTPUT, EMPTY_PROMPT, Asked

NEEDED = frozenset({"gateway", "turn", "session", "promptTokens", "outcome"})
UNSERVED = {"refused", "declined"}

Chain = tuple[str, str, str, int]
"""Gateway, pool, session, number of the conversation."""


@dataclass(frozen=True, slots=True)
class _Told:
    place: str
    record: TurnRecord


def load(path: Path, asked: Asked) -> Recording:
    """Return each conversation as a session of one run, at the moment of its first turn.

    Contexts share what the gateway saw shared, to its block; bytes become tokens at the mean of each pool. Turns that
    were refused are left out and counted; those that broke off count with what they had. The lives of several
    gateways in one file follow each other as their clocks say.
    """
    told = _read(path, asked)
    ratios = _tokens_per_byte(told)
    chains: dict[Chain, list[_Told]] = {}
    for each in told:
        record = each.record
        chains.setdefault((record.gateway, record.pool, record.session, record.chain), []).append(each)
    lives = Counter((chain[2], chain[3]) for chain in chains)
    runs: list[tuple[float, Run]] = []
    for (life, pool, session, number), turns in chains.items():
        turns.sort(key=lambda each: each.record.start_seconds)
        name = session if number <= 1 else f"{session}/{number}"
        if lives[session, number] > 1:
            name = f"{life}/{pool}/{name}"
        first = turns[0].record
        run = Run(
            name,
            name,
            first.client or "gateway",
            _turns(name, turns, ratios[life, pool], asked),
            first.tenant or first.workflow,
        )
        runs.append((first.start_seconds, run))
    runs.sort(key=lambda each: each[0])
    return Recording(
        tuple(Session((run,), (0.0,)) for _, run in runs),
        array("d", (at - runs[0][0] for at, _ in runs)),
    )


def _read(path: Path, asked: Asked) -> list[_Told]:
    told: list[_Told] = []
    seen: dict[tuple[str, int], int] = {}
    for line, value in tables.objects(path):
        place = f"{path}:{line}"
        try:
            record = TurnRecord.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise TraceError(f"{place}: {where}: {first['msg']}; is this a gateway's record?") from error
        key = (record.gateway, record.turn)
        if key in seen:
            asked.notes.count("turns that stand twice, taken once", place)
            continue
        seen[key] = line
        if record.outcome in UNSERVED:
            asked.notes.count("turns that were refused, left out", place)
            continue
        if not record.counted:
            asked.notes.count("turns whose tokens the engine did not count, taken as estimated", place)
        told.append(_Told(place, record))
    if not told:
        raise TraceError(f"{path}: no turn that was served in it; record while agents work")
    return told


def _tokens_per_byte(told: Sequence[_Told]) -> dict[tuple[str, str], float]:
    """Return the mean of each pool's life, so that equal stretches stay equal."""
    prompt: Counter[tuple[str, str]] = Counter()
    size: Counter[tuple[str, str]] = Counter()
    for each in told:
        key = (each.record.gateway, each.record.pool)
        prompt[key] += each.record.prompt_tokens
        size[key] += each.record.prompt_bytes
    return {key: prompt[key] / size[key] if size[key] else 0.0 for key in prompt}


def _turns(name: str, told: list[_Told], ratio: float, asked: Asked) -> tuple[Turn, ...]:
    """Return the turns of a conversation; each one's end is looked for in the prompt after it."""
    out: list[Turn] = []
    after: Context = ()
    gap = 0.0
    for index in range(len(told) - 1, -1, -1):
        place, record = told[index].place, told[index].record
        size = asked.at_least_one(record.prompt_tokens, place, EMPTY_PROMPT)
        length = asked.at_least_one(record.output_tokens, place, EMPTY_OUTPUT)
        context, output = _placed(name, index, _known(record, ratio, size), size, length, after)
        out.append(Turn(context, output, gap))
        after = context
        gap = record.gap_seconds or 0.0
    return tuple(reversed(out))


def _known(record: TurnRecord, ratio: float, size: int) -> Context:
    """Return the part of a prompt that the gateway knows by its blocks, at most its length."""
    life = f"{record.gateway}/{record.pool}"
    extents = [
        Extent(Common(f"{life}/{stream}"), round(start * ratio), round(end * ratio))
        for stream, start, end in record.blocks
        if stream > 0 and end > start
    ]
    return joined(head(joined(extents), size))


def _placed(
    name: str, index: int, known: Context, size: int, length: int, after: Context
) -> tuple[Context, Extent]:
    """Return a prompt and its output: where the next prompt goes on from both, as parts of it."""
    if shared_tokens(known, after) == tokens(known) and tokens(after) >= size + length:
        last = _cut(after, size, size + length)
        if last is not None:
            return head(after, size), last
    rest = Extent((name, index, "prompt"), 0, size - tokens(known))
    return joined([*known, rest]), Extent((name, index, "output"), 0, length)


def _cut(context: Context, start: int, end: int) -> Extent | None:
    """Return the tokens from ``start`` to ``end`` where they stand in one stretch."""
    at = 0
    for extent in context:
        if at <= start and end <= at + extent.tokens:
            return Extent(extent.stream, extent.start + start - at, extent.start + end - at)
        at += extent.tokens
    return None
