"""``scale``: how many replicas of one role a pool needs, by that role's own load.

ModServe's rule (arXiv 2502.00937): replicas are the load in the role's tokens over what one replica serves within its
objective, rounded up, and more where the objective is missed all the same. Roles are asked one by one, so a burst of
images makes image encoders more and nothing else.

The source leaves hysteresis out. Ours: up at once; down only when less would have done for a whole cool-down, never
below the most that was wanted in it, and only while what stays has some room; and no step on a capacity or a load that
is not known, because a pool that cannot be judged is not made smaller.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why there are so many."""

    LOAD = "LoadWantsMore"
    OBJECTIVE = "ObjectiveMissed"
    ENOUGH = "Enough"
    COOLING = "LessHasToLast"
    LESS = "LessHasLasted"
    UNKNOWN = "LoadOrCapacityUnknown"
    BOUND = "AtItsBound"


@dataclass(frozen=True, slots=True)
class ScaleSpec:
    """What a pool may become, and how fast."""

    least: int = 1
    most: int | None = None
    attainment_ratio: float = 0.99
    """Share of requests within their objective below which there are to be more (the source's)."""
    extra_ratio: float = 0.10
    """By how much more then, at least one replica; ours."""
    cool_seconds: float = 900.0
    """For so long less has to do before there are fewer; ours: three of the source's periods."""
    spare_ratio: float = 0.10
    """Share of the capacity that stays free for what comes before more replicas serve; ours, nothing is the source's."""
    room_ratio: float = 0.10
    """Share of the rest that has to stay free, too, before there are fewer; ours: against back and forth at an edge."""


@dataclass(frozen=True, slots=True)
class ScaleState:
    """What one decision hands to the next."""

    wants: tuple[tuple[float, int], ...] = ()
    """When how many were wanted, over a cool-down; oldest first."""


@dataclass(frozen=True, slots=True)
class ScaleSeen:
    """One role of a pool over the last period."""

    at_seconds: float
    replicas: int
    load_tokens_per_second: float | None
    """Tokens of the role that came: of images for encoders, of text for what reads text alone."""
    capacity_tokens_per_second: float | None
    """What one replica serves within the objective, by its profile."""
    attainment_ratio: float | None = None
    """Share of the requests that were within their objective; none: nobody asked."""
    starting: int = 0
    """Of the replicas, those that did not serve yet: while there are some, a missed objective says nothing new."""


@dataclass(frozen=True, slots=True)
class ScaleDecision:
    """How many there are to be."""

    state: ScaleState
    replicas: int
    why: Why


def decide(spec: ScaleSpec, state: ScaleState, seen: ScaleSeen) -> ScaleDecision:
    """Return how many replicas a role gets now."""
    load, capacity = seen.load_tokens_per_second, seen.capacity_tokens_per_second
    if load is None or capacity is None or not (math.isfinite(load) and load >= 0 and capacity > 0):
        return ScaleDecision(ScaleState(), seen.replicas, Why.UNKNOWN)
    capacity *= 1.0 - spec.spare_ratio
    wanted, why = math.ceil(load / capacity - 1e-9), Why.LOAD
    missed = (
        not seen.starting
        and seen.attainment_ratio is not None
        and seen.attainment_ratio < spec.attainment_ratio
    )
    if missed and wanted <= seen.replicas:
        wanted, why = seen.replicas + max(1, math.ceil(spec.extra_ratio * seen.replicas)), Why.OBJECTIVE
    target = _bounded(spec, wanted)
    if target > seen.replicas:
        return ScaleDecision(_noted(spec, state, seen.at_seconds, target), target, why)
    roomy = _bounded(spec, max(wanted, math.ceil(load / (capacity * (1.0 - spec.room_ratio)) - 1e-9)))
    state = _noted(spec, state, seen.at_seconds, roomy)
    if wanted > target:
        return ScaleDecision(state, target, Why.BOUND)
    if roomy >= seen.replicas:
        return ScaleDecision(state, _bounded(spec, seen.replicas), Why.ENOUGH)
    lasted = seen.at_seconds - state.wants[0][0] >= spec.cool_seconds
    most = max(want for _, want in state.wants)
    if not lasted or most >= seen.replicas:
        return ScaleDecision(state, _bounded(spec, seen.replicas), Why.COOLING)
    return ScaleDecision(state, most, Why.LESS)


def all_of(
    specs: Mapping[str, ScaleSpec], states: Mapping[str, ScaleState], seen: Mapping[str, ScaleSeen]
) -> Mapping[str, ScaleDecision]:
    """Return a decision per role, each by what is seen of that role alone."""
    return {role: decide(specs[role], states.get(role, ScaleState()), each) for role, each in seen.items()}


def _bounded(spec: ScaleSpec, replicas: int) -> int:
    return max(spec.least, replicas if spec.most is None else min(spec.most, replicas))


def _noted(spec: ScaleSpec, state: ScaleState, now: float, wanted: int) -> ScaleState:
    """Return the wants of a cool-down, with one from before it that says what held when it began."""
    wants = (*(each for each in state.wants if each[0] <= now), (now, wanted))
    first = max((index for index, (at, _) in enumerate(wants) if at <= now - spec.cool_seconds), default=0)
    return ScaleState(wants[first:])
