"""``degrade``: which rung of its ladder a pool serves on while a limit is exceeded.

A ladder is ordered by what it costs users: slower clocks first, then fewer at a time, then another model. A pool goes
down one rung when a limit it stands under is exceeded and the rung it is on had time to act; it goes up one rung when
there has been room for the rung above for some time. It never goes to a rung of less quality than its users accept:
that one is skipped, not the end of the ladder. After TAPAS (arXiv 2501.02600, by secondary accounts), which
reconfigures by frequency, batch size, quantisation and model size; the order, the way back, the seconds and the room
are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why a pool serves on its rung."""

    WELL = "NothingExceeded"
    EXCEEDED = "LimitExceeded"
    ACTING = "LastStepStillActs"
    AT_END = "NoRungLeft"
    ROOM = "RoomAbove"
    DWELLS = "WaitsForRoomToLast"
    TIGHT = "NoRoomAbove"
    QUALITY = "QualityRequired"


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to serve."""

    name: str
    quality_ratio: float = 1.0
    """Quality of answers against those of the first rung."""


@dataclass(frozen=True, slots=True)
class DegradeSpec:
    """When a pool moves."""

    rungs: Sequence[Rung]
    """From what users like best to what they like least."""
    least_quality_ratio: float = 0.0
    acts_seconds: float = 60.0
    """Time a step down gets to act before the next; ours: heat sinks follow in a minute or two."""
    dwell_seconds: float = 900.0
    """Time for which there has to be room before a step up; ours."""
    room_ratio: float = 0.08
    """Share of the limit that has to be free before a step up; ours: more than a step brings back."""


@dataclass(frozen=True, slots=True)
class DegradeState:
    """What one decision hands to the next."""

    rung: int = 0
    down_seconds: float | None = None
    """When it last went down."""
    room_since_seconds: float | None = None
    """Since when there has been room for the rung above."""


@dataclass(frozen=True, slots=True)
class DegradeSeen:
    """How the tightest limit above a pool stands."""

    at_seconds: float
    left_ratio: float
    """What is left of it as a share of it; negative: it is exceeded."""


@dataclass(frozen=True, slots=True)
class DegradeDecision:
    """The rung to serve on."""

    state: DegradeState
    why: Why

    @property
    def rung(self) -> int:
        """Index in the ladder."""
        return self.state.rung


def decide(spec: DegradeSpec, state: DegradeState, seen: DegradeSeen) -> DegradeDecision:
    """Return the rung a pool serves on from now."""
    allowed = [
        index for index, rung in enumerate(spec.rungs) if rung.quality_ratio >= spec.least_quality_ratio
    ]
    if state.rung not in allowed:  # users have become choosier, or the ladder shorter
        better = max((index for index in allowed if index < state.rung), default=0)
        return DegradeDecision(DegradeState(better, seen.at_seconds), Why.QUALITY)
    now = seen.at_seconds
    if seen.left_ratio < 0:
        return _down(spec, state, now, allowed)
    above = max((index for index in allowed if index < state.rung), default=None)
    if above is None:
        return DegradeDecision(DegradeState(0, state.down_seconds), Why.WELL)
    if seen.left_ratio < spec.room_ratio:
        return DegradeDecision(DegradeState(state.rung, state.down_seconds), Why.TIGHT)
    since = now if state.room_since_seconds is None else state.room_since_seconds
    if now - since < spec.dwell_seconds:
        return DegradeDecision(DegradeState(state.rung, state.down_seconds, since), Why.DWELLS)
    return DegradeDecision(DegradeState(above, state.down_seconds), Why.ROOM)


def _down(spec: DegradeSpec, state: DegradeState, now: float, allowed: Sequence[int]) -> DegradeDecision:
    if state.down_seconds is not None and now - state.down_seconds < spec.acts_seconds:
        return DegradeDecision(DegradeState(state.rung, state.down_seconds), Why.ACTING)
    below = min((index for index in allowed if index > state.rung), default=None)
    if below is None:
        return DegradeDecision(DegradeState(state.rung, state.down_seconds), Why.AT_END)
    return DegradeDecision(DegradeState(below, now), Why.EXCEEDED)
