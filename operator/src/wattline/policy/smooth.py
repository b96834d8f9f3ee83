"""``smooth``: how far steps of clocks and limits may go now, so that a node's draw rises no faster than its ramp.

What is promised, at R watts per second and whenever it is called: what is allowed within any span of ``SPAN_SECONDS``
(open at one end) adds at most R watts by prediction. A device follows a setting within ``FOLLOW_SECONDS``, sooner or
later than its neighbours; so the draw that follows rises by at most R watts over any second, wherever it begins, and
not only from one call to the next. The price: a long rise has half of R on average. One exception: the smallest
piece of a step, where it is dearer than R, goes alone, and only once it was saved for at that average.

What cannot be paid waits, and the one that has waited longest goes first. The nodes of a domain have a part of its ramp
each, so its pools do not jump together. After a calm hour no more is due than after a calm span. Steps downwards go at
once, unless nothing makes them urgent and a ramp downwards is set too.

The ramp of *Power Stabilization for AI Training Datacenters* (arXiv 2508.14318) in software: clocks and limits rise in
steps. Ours are the span, the queue and the pieces. A step of the load itself (an idle GPU that gets work) is
not a step of ours and is not held back; only devices that smooth their own power can do that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

RAMP_SECONDS = 1.0
"""Over which a ramp is judged: it is stated in watts per second."""
FOLLOW_SECONDS = 1.0
"""Ours: a device follows a setting within this, small changes sooner than large ones (``world.gpu.SETTLE_SECONDS``)."""
SPAN_SECONDS = RAMP_SECONDS + FOLLOW_SECONDS
"""What was allowed longer ago than this can no longer move the draw within the second that begins now."""
_SAME_SECONDS = 1e-6
_SAME_WATTS = 1e-9


@dataclass(frozen=True, slots=True)
class SmoothSpec:
    """What the node may move by in any second; none: no bound."""

    up_watts_per_second: float | None
    down_watts_per_second: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """What one group is to do, in pieces."""

    name: str
    watts: tuple[float, ...]
    """Predicted change of the group's draw after the first piece, the first two, … the whole step; never back."""
    urgent: bool = False
    """Whether a step downwards may not wait."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was allowed at one moment."""

    at_seconds: float
    watts: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one direction's ramp has paid for lately."""

    spent: tuple[Spent, ...] = ()
    """Within the last span, oldest first."""
    saving_since_seconds: float | None = None
    """Since when a piece that is dearer than the ramp is saved for; none while there is no such piece."""


@dataclass(frozen=True, slots=True)
class SmoothState:
    """What one call hands to the next."""

    up: Allowance = field(default_factory=Allowance)
    down: Allowance = field(default_factory=Allowance)
    waiting: tuple[str, ...] = ()
    """Groups that wait for their next piece, in the order of their turns."""


@dataclass(frozen=True, slots=True)
class SmoothDecision:
    """How many pieces of its step each group takes now."""

    state: SmoothState
    pieces: Mapping[str, int]


def decide(spec: SmoothSpec, state: SmoothState, at_seconds: float, steps: Sequence[Step]) -> SmoothDecision:
    """Return how far each step goes; ``steps`` come keenest first, behind those that wait since earlier."""
    turns = {name: turn for turn, name in enumerate(state.waiting)}
    queue = sorted(steps, key=lambda step: turns.get(step.name, len(turns)))
    rises = [step for step in queue if step.watts and step.watts[-1] > 0]
    falls = [step for step in queue if step.watts and step.watts[-1] <= 0]
    pieces = {step.name: len(step.watts) for step in steps}
    up = _spend(spec.up_watts_per_second, state.up, at_seconds, rises, pieces)
    slow = [step for step in falls if not step.urgent]
    down = _spend(spec.down_watts_per_second, state.down, at_seconds, slow, pieces)
    waiting = [step.name for step in queue if pieces[step.name] < len(step.watts)]
    waiting.sort(key=lambda name: pieces[name] > 0)  # who got a piece goes behind those who got none
    return SmoothDecision(SmoothState(up, down, tuple(waiting)), pieces)


def _spend(
    watts_per_second: float | None,
    allowance: Allowance,
    at_seconds: float,
    queue: Sequence[Step],
    pieces: dict[str, int],
) -> Allowance:
    """Pay for steps in the order of the queue; return what was paid. Nobody overtakes one that waits or saves."""
    if watts_per_second is None:
        return Allowance()
    ramp_watts = watts_per_second * RAMP_SECONDS
    lately = tuple(
        each for each in allowance.spent if at_seconds - each.at_seconds < SPAN_SECONDS - _SAME_SECONDS
    )
    left = max(0.0, ramp_watts - fsum(each.watts for each in lately))
    spent = 0.0
    saving_since: float | None = None
    for turn, step in enumerate(queue):
        costs = [abs(watts) for watts in step.watts]
        taken = sum(cost <= left + _SAME_WATTS for cost in costs)
        paid = costs[taken - 1] if taken else 0.0
        if taken < len(costs) and costs[taken] > ramp_watts and spent + paid <= _SAME_WATTS:
            saving_since = _since(allowance, at_seconds)
            saved = ramp_watts * (at_seconds - saving_since + _SAME_SECONDS) / SPAN_SECONDS
            if costs[taken] <= saved:
                paid, saving_since = costs[taken], None
                taken = sum(cost <= paid + _SAME_WATTS for cost in costs)
        pieces[step.name] = taken
        spent += paid
        left = max(0.0, left - paid)
        if taken < len(costs):
            for behind in queue[turn + 1 :]:
                pieces[behind.name] = sum(abs(watts) <= _SAME_WATTS for watts in behind.watts)
            break
    if spent > _SAME_WATTS:
        lately += (Spent(at_seconds, spent),)
    return Allowance(lately, saving_since)


def _since(allowance: Allowance, at_seconds: float) -> float:
    """Return since when a piece that is dearer than the ramp is saved for: the last spending, a span ago at most."""
    if allowance.saving_since_seconds is not None:
        return allowance.saving_since_seconds
    last = allowance.spent[-1].at_seconds if allowance.spent else at_seconds - SPAN_SECONDS
    return max(last, at_seconds - SPAN_SECONDS)
