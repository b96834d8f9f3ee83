"""``retain``: what of the KV memory of agents that are away goes first, and how long it is held (SAGA, arXiv 2605.00528).

The paper: WA-LRU gives up the highest of ``a × time since use + b × (1 − chance of reuse) + c × size``, skipping what
is pinned; while a tool runs its session is pinned for a time to live, the P95 of a lognormal of the tool's times, cut
by up to a half as memory fills, 300 s at most.

Ours, where its rule says little: on a chain of turns every session that has not ended is as likely to come back as the
next, so WA-LRU is LRU that knows who has ended. What tells sessions apart is *when* they come back. ``NEXT_USE`` gives
up first what is worth least a token and second: the chance of coming back within the horizon, over the time that is
expected to take given how long the tool has run, times what it costs to compute the token again (more at the end of a
long context, where each token sees all before it). The curve is a histogram learnt per tool class, as is the time to
live: tools have heavier tails than lognormals. Pins yield when there is no other way: whoever runs gets its memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wattline.model.survival import Survival


class Mode(StrEnum):
    """What is given up first."""

    LRU = "lru"
    WORKFLOW = "workflow-aware-lru"
    NEXT_USE = "next-use"


class Why(StrEnum):
    """Why something is given up, or held so long."""

    ENDED = "SessionEnded"
    UNUSED = "LongestUnused"
    WORKFLOW = "HighestWorkflowScore"
    LATE = "LeastLikelySoon"
    PINNED = "NothingElseLeft"
    TOOL = "ToolQuantile"
    PRESSURE = "CutByPressure"
    LONGEST = "LongestHold"


@dataclass(frozen=True, slots=True)
class RetainSpec:
    """What the user asks for, and constants of the method."""

    mode: Mode = Mode.NEXT_USE
    age_weight: float = 0.3
    """a, b and c of the paper."""
    reuse_weight: float = 0.5
    size_weight: float = 0.2
    longest_age_seconds: float = 300.0
    """Age that counts fully [the paper leaves it open; its longest time to live]."""
    largest_tokens: int = 32_768
    """Size that counts fully [the paper's longest context]."""
    hold_share: float = 0.95
    """Share of a tool's calls that end while their session is held (paper)."""
    longest_hold_seconds: float = 300.0
    """Paper."""
    pressure_from: float = 0.7
    """Share of memory in use from which holds get shorter, and at which they are cut fully (paper)."""
    pressure_to: float = 0.9
    pressure_cut: float = 0.5
    """Part of a hold that full pressure takes away (paper)."""
    attention_tokens: float = 50_000.0
    """Context at which a token's attention costs as much as its weights [ours: about that of a 70B model]."""
    block_tokens: int = 16
    """What is given up is a whole number of blocks, from the end of a context."""
    whole: bool = False
    """Give up whole contexts only."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Memory of a session of which no turn runs."""

    name: str
    tokens: int
    last_used_seconds: float
    tool: str | None = None
    """Class of the tool that runs; none: its turn waits, or nothing is known."""
    ended: bool = False
    """Nobody will come back for it."""
    reuse_ratio: float = 0.95
    """Chance that it comes back at all (paper: 0.95 for a step that may be the last)."""
    pinned_until_seconds: float = float("-inf")
    waiting_seconds: float = 1.0
    """Where its turn waits already: until it is expected to start."""


@dataclass(frozen=True, slots=True)
class RetainSeen:
    """A replica that needs room."""

    at_seconds: float
    needed_tokens: int
    kept: Sequence[Kept]
    curves: Mapping[str, Survival]
    """Times by tool class."""
    horizon_seconds: float = 60.0
    """How long memory keeps what is not used, as of late: what comes back later is lost anyway."""


@dataclass(frozen=True, slots=True)
class Victim:
    """What is given up of a session."""

    name: str
    tokens: int
    why: Why


@dataclass(frozen=True, slots=True)
class RetainDecision:
    """What goes, in this order, and what is still missing then."""

    victims: tuple[Victim, ...]
    missing_tokens: int


@dataclass(frozen=True, slots=True)
class HoldDecision:
    """How long a session is pinned from the start of its tool."""

    seconds: float
    why: Why


def hold(spec: RetainSpec, curve: Survival, memory_ratio: float) -> HoldDecision:
    """Return the time to live of a session whose tool has just begun; ``memory_ratio`` is the share in use."""
    span = spec.pressure_to - spec.pressure_from
    pressure = min(1.0, max(0.0, (memory_ratio - spec.pressure_from) / span))
    seconds = curve.quantile(spec.hold_share) * (1.0 - spec.pressure_cut * pressure)
    if seconds >= spec.longest_hold_seconds:
        return HoldDecision(spec.longest_hold_seconds, Why.LONGEST)
    return HoldDecision(seconds, Why.PRESSURE if pressure > 0.0 else Why.TOOL)


def decide(spec: RetainSpec, seen: RetainSeen) -> RetainDecision:
    """Return what to give up for ``needed_tokens``: no more than a block beyond them, unless contexts go whole."""
    left = seen.needed_tokens
    victims: list[Victim] = []
    if left <= 0:
        return RetainDecision((), 0)
    for group, why in _groups(spec, seen):
        if left <= 0:
            break
        for kept in sorted(
            group, key=lambda kept: (_worth(spec, seen, kept), kept.last_used_seconds, kept.name)
        ):
            if left <= 0:
                break
            blocks = left + -left % spec.block_tokens
            tokens = kept.tokens if spec.whole else min(kept.tokens, blocks)
            victims.append(Victim(kept.name, tokens, why or _why(spec, kept)))
            left -= tokens
    return RetainDecision(tuple(victims), max(0, left))


def _groups(spec: RetainSpec, seen: RetainSeen) -> Iterable[tuple[list[Kept], Why | None]]:
    """Return who gives way one group after the other: where it is worth nothing, what has ended; then what is not pinned."""
    held = [kept for kept in seen.kept if kept.tokens > 0]
    if spec.mode is Mode.NEXT_USE:
        yield [kept for kept in held if kept.ended], Why.ENDED
        held = [kept for kept in held if not kept.ended]
    yield [kept for kept in held if not _pinned(seen, kept)], None
    yield [kept for kept in held if _pinned(seen, kept)], Why.PINNED


def _pinned(seen: RetainSeen, kept: Kept) -> bool:
    return not kept.ended and kept.pinned_until_seconds > seen.at_seconds


def _why(spec: RetainSpec, kept: Kept) -> Why:
    if spec.mode is Mode.LRU:
        return Why.UNUSED
    if kept.ended:
        return Why.ENDED
    return Why.WORKFLOW if spec.mode is Mode.WORKFLOW else Why.LATE


def _worth(spec: RetainSpec, seen: RetainSeen, kept: Kept) -> float:
    """Return what keeping a token is worth; the least goes first."""
    if spec.mode is Mode.LRU:
        return kept.last_used_seconds
    if spec.mode is Mode.WORKFLOW:
        age = min(1.0, (seen.at_seconds - kept.last_used_seconds) / spec.longest_age_seconds)
        size = min(1.0, kept.tokens / spec.largest_tokens)
        gone = 1.0 if kept.ended else 1.0 - kept.reuse_ratio
        return -(spec.age_weight * age + spec.reuse_weight * gone + spec.size_weight * size)
    if kept.ended:
        return 0.0
    cost = 1.0 + kept.tokens / spec.attention_tokens
    curve = seen.curves.get(kept.tool) if kept.tool is not None else None
    if curve is None:
        return kept.reuse_ratio * cost / max(kept.waiting_seconds, 0.001)
    elapsed = seen.at_seconds - kept.last_used_seconds
    chance, remaining = curve.within(seen.horizon_seconds, elapsed)
    return kept.reuse_ratio * cost * chance / max(remaining, 0.001)
