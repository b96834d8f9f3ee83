"""``rest``: which replicas of a pool stand by while the others can carry everything (after KAIROS's consolidation).

The paper packs agents so that replicas empty; what an emptied one then does, it leaves open. Here the last one drains and
stops once the others could have carried everything for a while, and the first that rests starts again as soon as the
working ones fill up or a turn is held. A start takes a minute or more, in which it cannot help: so replicas go late and
come early, one at a time, and never all. Sessions between two turns lose their memory with the replica, so the others
must have room to compute it again. The shares and the seconds are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why a replica goes, comes, or nothing moves."""

    SPARE = "OthersSuffice"
    FILLING = "OthersFillUp"
    HELD = "TurnsAreHeld"
    MOVING = "OneIsOnItsWay"
    WAITING = "NotForLongEnough"
    NEEDED = "Needed"
    LEAST = "NoneToSpare"


@dataclass(frozen=True, slots=True)
class RestSpec:
    """When replicas come and go."""

    rest_below: float = 0.35
    """A replica may go while the others would stay below this share with what it carries."""
    start_above: float = 0.60
    """One comes when the working ones are above this share on average."""
    dwell_seconds: float = 300.0
    """For so long a replica must have been spare; several times what a start takes."""
    most_running: int = 32
    """Turns that fill a replica, however little memory they take."""
    least: int = 1
    """Working replicas that always stay."""

    def __post_init__(self) -> None:
        if not 0 < self.rest_below < self.start_above <= 1:
            raise ValueError("expected 0 < rest_below < start_above <= 1: else replicas come and go for ever")


@dataclass(frozen=True, slots=True)
class ReplicaSeen:
    """One replica."""

    name: str
    working: bool
    """It gets turns."""
    moving: bool
    """It starts, or goes: it is neither working nor at rest."""
    resident_tokens: int
    capacity_tokens: int
    running: int

    def share(self, spec: RestSpec) -> float:
        """Return how full it is: of memory, or of turns, whichever is more."""
        return max(self.resident_tokens / self.capacity_tokens, self.running / spec.most_running)


@dataclass(frozen=True, slots=True)
class RestSeen:
    """A pool."""

    at_seconds: float
    replicas: Sequence[ReplicaSeen]
    """In the pool's order: the last goes first."""
    held: int
    """Turns that wait at the gateway."""


@dataclass(frozen=True, slots=True)
class RestState:
    """What one decision hands to the next."""

    spare_since_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RestDecision:
    """Who goes or comes now; one at most."""

    state: RestState
    why: Why
    stop: str | None = None
    start: str | None = None


def decide(spec: RestSpec, state: RestState, seen: RestSeen) -> RestDecision:
    """Return whether a replica stops or starts."""
    working = [each for each in seen.replicas if each.working]
    resting = [each for each in seen.replicas if not each.working and not each.moving]
    moving = len(working) + len(resting) < len(seen.replicas)
    carried = sum(each.share(spec) for each in working)
    full = carried > spec.start_above * len(working) or not working
    if seen.held or full:
        why = Why.HELD if seen.held else Why.FILLING
        if moving or not resting:
            return RestDecision(RestState(), Why.MOVING if moving else Why.NEEDED)
        return RestDecision(RestState(), why, start=resting[0].name)
    if moving:
        return RestDecision(RestState(), Why.MOVING)
    if len(working) <= spec.least:
        return RestDecision(RestState(), Why.LEAST)
    if carried > spec.rest_below * (len(working) - 1):
        return RestDecision(RestState(), Why.NEEDED)
    since = seen.at_seconds if state.spare_since_seconds is None else state.spare_since_seconds
    if seen.at_seconds - since < spec.dwell_seconds:
        return RestDecision(RestState(since), Why.WAITING)
    return RestDecision(RestState(), Why.SPARE, stop=working[-1].name)
