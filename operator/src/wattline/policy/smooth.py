"""``smooth``: how far steps of clocks and limits may go now, so that a node's draw rises no faster than its ramp.

Every upward step spends the node's allowance, at the watts it is predicted to add; what cannot be paid waits, and the
one that has waited longest goes first. The nodes of a domain have a part of its ramp each, so its pools do not jump
together. An allowance is not saved up beyond one second, or beyond the smallest piece that waits for it: after a calm
hour no jump is due. Steps downwards go at once, unless nothing makes them urgent and a ramp downwards is set too.

The ramp of *Power Stabilization for AI Training Datacenters* (arXiv 2508.14318) in software: clocks and limits rise in
steps. Ours are the queue, the pieces and what may be saved. A step of the load itself (an idle GPU that gets work) is
not a step of ours and is not held back; only devices that smooth their own power can do that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SAVED_SECONDS = 1.0
"""Most of an allowance that is kept while nothing waits for it."""


@dataclass(frozen=True, slots=True)
class SmoothSpec:
    """What the node may move by in a second; none: no bound."""

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
class SmoothState:
    """What one second hands to the next."""

    at_seconds: float | None = None
    up_watts: float = 0.0
    down_watts: float = 0.0
    """Allowances that are left."""
    waiting: tuple[str, ...] = ()
    """Groups that wait for their next piece, in the order of their turns."""


@dataclass(frozen=True, slots=True)
class SmoothDecision:
    """How many pieces of its step each group takes now."""

    state: SmoothState
    pieces: Mapping[str, int]


def decide(spec: SmoothSpec, state: SmoothState, at_seconds: float, steps: Sequence[Step]) -> SmoothDecision:
    """Return how far each step goes; ``steps`` come keenest first, behind those that wait since earlier."""
    elapsed = SAVED_SECONDS if state.at_seconds is None else max(0.0, at_seconds - state.at_seconds)
    turns = {name: turn for turn, name in enumerate(state.waiting)}
    queue = sorted(steps, key=lambda step: turns.get(step.name, len(turns)))
    rises = [step for step in queue if step.watts and step.watts[-1] > 0]
    falls = [step for step in queue if step.watts and step.watts[-1] <= 0]
    pieces = {step.name: len(step.watts) for step in steps}
    up = _spend(spec.up_watts_per_second, state.up_watts, elapsed, rises, pieces)
    slow = [step for step in falls if not step.urgent]
    down = _spend(spec.down_watts_per_second, state.down_watts, elapsed, slow, pieces)
    waiting = [step.name for step in queue if pieces[step.name] < len(step.watts)]
    waiting.sort(key=lambda name: pieces[name] > 0)  # who got a piece goes behind those who got none
    return SmoothDecision(SmoothState(at_seconds, up, down, tuple(waiting)), pieces)


def _spend(
    watts_per_second: float | None,
    saved_watts: float,
    elapsed_seconds: float,
    queue: Sequence[Step],
    pieces: dict[str, int],
) -> float:
    """Pay for steps in the order of the queue; return what is left. Nobody overtakes one that saves for a piece."""
    if watts_per_second is None:
        return 0.0
    left = saved_watts + watts_per_second * elapsed_seconds
    most = watts_per_second * SAVED_SECONDS
    for step in queue:
        costs = [abs(watts) for watts in step.watts]
        taken = sum(cost <= left + 1e-9 for cost in costs)
        pieces[step.name] = taken
        if taken:
            left -= costs[taken - 1]
        if taken < len(costs):
            next_piece = costs[taken] - (costs[taken - 1] if taken else 0.0)
            most = max(most, next_piece)
            for behind in queue[queue.index(step) + 1 :]:
                pieces[behind.name] = sum(abs(watts) <= 1e-9 for watts in behind.watts)
            break
    return max(0.0, min(left, most))
