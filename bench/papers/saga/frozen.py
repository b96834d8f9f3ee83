"""One frozen sequence of accesses, replayed under every rule of retention, and Bélády's beside them.

Times and turns are those of a real course of things and no rule changes them, so that recomputed tokens can be
compared: Bélády gives up the blocks that are used again last, which no rule without foresight can beat.
"""

from collections.abc import Mapping, Sequence

from bench.papers.saga.cluster import PRIOR_WEIGHT
from bench.papers.saga.memory import Memory, blocks
from bench.papers.saga.outcome import Access
from bench.papers.saga.workload import TOOLS

from wattline.model.survival import Survival
from wattline.policy.retain import Kept, Mode, RetainSpec

RULES: Mapping[str, tuple[RetainSpec | None, bool]] = {
    "LRU": (RetainSpec(mode=Mode.LRU, whole=True), False),
    "prefix-LRU": (RetainSpec(mode=Mode.LRU), False),
    "WA-LRU": (RetainSpec(mode=Mode.WORKFLOW), True),
    "next use": (RetainSpec(mode=Mode.NEXT_USE), True),
    "Bélády": (None, True),
}
"""Rule of retention, and whether it knows which sessions have ended."""


def replayed(accesses: Sequence[Access], capacity_tokens: int) -> dict[str, int]:
    """Return the tokens that are computed again under each rule."""
    return {name: again(accesses, capacity_tokens, spec, knows) for name, (spec, knows) in RULES.items()}


def again(accesses: Sequence[Access], capacity_tokens: int, spec: RetainSpec | None, knows_ends: bool) -> int:
    """Return the tokens that were known and have to be computed again."""
    curves = {name: Survival.prior(*times, PRIOR_WEIGHT) for name, times in TOOLS.items()}
    memory = Memory(capacity_tokens, spec, curves)
    following = _following(accesses)
    # A tool's end, a start and an end of a turn; of equal times an end comes before what needs its room.
    queue: list[tuple[float, int, int]] = []
    for index, access in enumerate(accesses):
        queue += [
            (access.ended_seconds, 0, index),
            (access.arrived_seconds, 1, index),
            (access.started_seconds, 2, index),
        ]
    queue.sort()
    ended_at: dict[str, tuple[float, str]] = {}
    tokens = 0
    for now, kind, index in queue:
        access = accesses[index]
        if kind == 0:
            _leave(memory, access, now, following[index], knows_ends)
            ended_at[access.session] = now, access.tool
        elif kind == 1:
            before = ended_at.get(access.session)
            if before is not None:
                known = curves.get(before[1]) or Survival.prior(0.3, 5.0, 40.0, PRIOR_WEIGHT)
                curves[before[1]] = known.after(now - before[0])
            memory.asks(access.session)
        else:
            hit = memory.take(access.session, access.tokens, access.known_tokens, now)
            assert hit is not None
            tokens += blocks(access.known_tokens) - hit
    return tokens


def _leave(memory: Memory, access: Access, now: float, next_use: float, knows_ends: bool) -> None:
    kept = Kept(access.session, access.tokens, now, access.tool, access.last and knows_ends)
    memory.leave(kept, next_use)


def _following(accesses: Sequence[Access]) -> list[float]:
    """Return when each access's session starts its next turn."""
    out = [float("inf")] * len(accesses)
    coming: dict[str, float] = {}
    for index in sorted(range(len(accesses)), key=lambda index: -accesses[index].started_seconds):
        out[index] = coming.get(accesses[index].session, float("inf"))
        coming[accesses[index].session] = accesses[index].started_seconds
    return out
