"""``clock``: the clock of one replica's GPUs, by what it learns of the replica's pace and power.

After KAIROS (arXiv 2604.16682): the share of KV memory that agents hold and the rate of the slowest agent decide,
not utilisation. Deviations, all of which its relay between a few levels loses energy or time without:

* Feed-forward instead of a table of levels: what a step, a prompt token and a busy second cost over the clock is
  learned online (``model.pace``) from token counters, running turns, watts and the clock that was read back. The
  clock is the cheapest one whose predicted agent rate meets the objective. No knee is assumed.
* The sensor of the slowest agent, 30 s slow, only trims: the ratio of what it says to what the model says is
  tracked as a low quantile. It watches, it does not integrate an error, so there is nothing to wind up while
  a bound, a limit or the engine binds.
* KAIROS raises the clock with the resident share and takes the fastest above alpha. Here the rate that agents get
  rises from that at the cheapest clock at a quarter of alpha to nearly that at full speed at alpha, and the clock is
  the slowest that gives it: where decoding waits for memory, clocks beyond some point only heat. While agents are
  held it is the slowest that loses nothing.

Only upward moves are immediate; down it goes one level at a time. Without knowledge of memory, or with a batch
never seen, it goes up.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from wattline.api.powernode import ReplicaOrder
from wattline.model.learnt import NOTHING, ClockSeen, Learnt, after
from wattline.model.pace import AgentRate

DOWN_SECONDS = 2.0
"""At most one level down in this time (papers: at most one step per 2 s)."""
MARGIN_RATIO = 1.05
"""The predicted rate is to stand this far above the objective."""
EARLY_RATIO = 0.25
"""Ours: from this share of alpha on agents are sped up, fully at alpha: slow service is what fills memory."""
KEEN_RATIO = 0.98
"""Ours: as fast as it helps is the slowest clock that gives agents this share of their rate at full speed."""
ALIKE_RATIO = 1.02
"""Ours: of clocks whose predicted draw above idle differs by less, the fastest is taken."""
UNUSED_RATIO = 1.25
"""Ours: what a replica that holds nothing and was never seen at work wants, against its draw. It wants without bound from
the second in which work comes; until then its neighbours need not wait behind watts that nobody uses."""
PLAN_SECONDS = 20.0
"""How often the cheapest clock is looked for; work and models move slower than that."""
LEVEL_RATIO = 0.025
"""Levels are this share of the fastest clock apart."""

__all__ = ["ClockBounds", "ClockDecision", "ClockSeen", "ClockState", "Why", "decide"]


class Why(StrEnum):
    """Why a clock is what it is."""

    UNKNOWN_LOAD = "UnknownLoad"
    LEARNING = "Learning"
    AGENTS_HELD = "AgentsHeld"
    MEMORY = "ProtectingMemory"
    OBJECTIVE = "MeetingObjective"
    SAVING = "SavingEnergy"


class ClockBounds(NamedTuple):
    """Clocks that may be asked for."""

    clocks_mhz: tuple[int, ...]
    """Supported and inside all bounds, slowest first; the last one means full speed."""


class ClockState(NamedTuple):
    """What one second hands to the next."""

    learnt: Learnt = NOTHING
    cheapest_mhz: int | None = None
    """Cheapest clock, as last looked for."""
    planned_at_seconds: float = -math.inf
    asked_mhz: int | None = None
    moved_at_seconds: float = -math.inf
    clocks_mhz: tuple[int, ...] = ()
    """Of the bounds, and which of them were chosen from: mostly they are the same objects again."""
    levels_mhz: tuple[int, ...] = ()


class ClockDecision(NamedTuple):
    """What the GPUs of a replica are to be set to."""

    state: ClockState
    clock_mhz: int | None
    """None is full speed: give the clock back to the driver."""
    demand_watts: float
    """Predicted draw at the clock the objective could need."""
    why: Why
    detail: str
    """A sentence a person can read."""


def decide(spec: ReplicaOrder, bounds: ClockBounds, state: ClockState, seen: ClockSeen) -> ClockDecision:
    """Return the clock for the next second.

    Held agents and memory come before the objective, the objective before energy.
    """
    learnt = after(state.learnt, seen, state.moved_at_seconds)
    clocks_mhz = bounds.clocks_mhz
    levels = state.levels_mhz if state.clocks_mhz is clocks_mhz else _levels(clocks_mhz)
    top = levels[-1]
    cheapest_mhz, planned_at_seconds = state.cheapest_mhz, state.planned_at_seconds
    if seen.at_seconds - planned_at_seconds >= PLAN_SECONDS and learnt.pace.power is not None:
        cheapest_mhz, planned_at_seconds = _cheapest(learnt, levels), seen.at_seconds
    wanted, needed, why, detail = _wanted(spec, levels, learnt, cheapest_mhz, seen)
    now = min(state.asked_mhz if state.asked_mhz is not None else top, top)
    clock = now
    if wanted > now:
        clock = wanted
    elif wanted < now and seen.at_seconds - state.moved_at_seconds >= DOWN_SECONDS:
        lower = levels[max(bisect_left(levels, now) - 1, 0)]
        known = (
            learnt.lowest_mhz is not None and now >= learnt.lowest_mhz
        )  # one level beyond is an experiment
        clock = max(lower, wanted) if known else now
    moved = seen.at_seconds if clock != now else state.moved_at_seconds
    return ClockDecision(
        ClockState(learnt, cheapest_mhz, planned_at_seconds, clock, moved, clocks_mhz, levels),
        None if clock == clocks_mhz[-1] else clock,
        _demand(learnt, needed, seen),
        why,
        detail,
    )


def _wanted(
    spec: ReplicaOrder,
    levels: tuple[int, ...],
    learnt: Learnt,
    cheapest_mhz: int | None,
    seen: ClockSeen,
) -> tuple[int, int, Why, str]:
    """Return the clock to go to, the clock the objective could need, and the reason."""
    top = levels[-1]
    memory = spec.memory
    if seen.resident_tokens is None or not seen.capacity_tokens:
        return top, top, Why.UNKNOWN_LOAD, "how much memory the agents hold is not known"
    resident = seen.resident_tokens / seen.capacity_tokens
    if learnt.work is None or cheapest_mhz is None:
        return top, top, Why.LEARNING, "nothing known of this replica's pace yet"
    objective = spec.tokens_per_second_per_agent_p5
    work = learnt.work
    agents = learnt.pace.agent_rate(max(work.running, float(seen.running)), resident, work.prefill_per_second)
    slowest = _Slowest(levels, agents, agents.errors.over(levels), learnt.trim)
    fastest = len(levels) - 1
    at_top = slowest.rate(fastest)
    keen = slowest.level(KEEN_RATIO * at_top)
    needed = slowest.level(objective * MARGIN_RATIO)
    if needed > keen:  # beyond, a little speed costs much: only where it makes the difference
        decisive = slowest.rate(keen) < objective <= at_top
        needed = slowest.level(objective) if decisive else keen
    cheapest = max(min(bisect_left(levels, cheapest_mhz), fastest), needed)
    if seen.waiting > 0:
        keen = slowest.level(at_top)  # every agent that is slower keeps another one out
        return levels[keen], levels[keen], Why.AGENTS_HELD, f"{seen.waiting} turns wait for memory"
    early = EARLY_RATIO * memory.protect_above
    if resident > early:
        share = min(1.0, (resident - early) / (memory.protect_above - early))
        slow = slowest.rate(cheapest)
        fast = slowest.level(slow + share * (slowest.rate(keen) - slow))
        if fast > cheapest:
            said = f"agents hold {resident:.0%} of the memory; from {early:.0%} on speed frees it"
            return levels[fast], levels[keen], Why.MEMORY, said
    said = f"slowest agent predicted at {slowest.rate(cheapest):.0f} tok/s for {objective:.0f}"
    if cheapest == needed and cheapest > 0:
        return levels[cheapest], levels[needed], Why.OBJECTIVE, said
    return levels[cheapest], levels[needed], Why.SAVING, f"least energy for this work; {said}"


class _Slowest(NamedTuple):
    """The slowest agent's rate at each level: its share of what the model says that each of them gets."""

    levels: tuple[int, ...]
    agents: AgentRate
    errors: Sequence[float]
    """Of the model's step time, at each level."""
    share: float

    def rate(self, level: int) -> float:
        return self.agents.erring(self.levels[level], self.errors[level]) * self.share

    def level(self, least: float) -> int:
        """Return the slowest level whose rate is at least ``least``, the fastest where none is; rates rise with levels."""
        low, high = 0, len(self.levels) - 1
        while low < high:
            middle = (low + high) // 2
            if self.rate(middle) >= least - 1e-9:
                high = middle
            else:
                low = middle + 1
        return low


def _cheapest(learnt: Learnt, levels: tuple[int, ...]) -> int:
    """Return the fastest level that costs hardly more than the cheapest."""
    if learnt.usual is None:
        return levels[-1]
    work, pace = learnt.usual, learnt.pace
    costs = [pace.marginal_watts(level, work) for level in levels]
    least = min(costs) * ALIKE_RATIO
    return max(level for level, cost in zip(levels, costs, strict=True) if cost <= least)


def _demand(learnt: Learnt, needed_mhz: int, seen: ClockSeen) -> float:
    if learnt.work is None or learnt.pace.power is None:
        unused = seen.resident_tokens == 0 and seen.running == 0 and seen.waiting == 0
        return seen.watts * UNUSED_RATIO if unused else math.inf
    work, pace = learnt.work, learnt.pace
    return max(
        pace.busy_watts(needed_mhz, max(work.running, seen.running), work.prefill_per_second), seen.watts
    )


@lru_cache(maxsize=64)
def _levels(clocks_mhz: tuple[int, ...]) -> tuple[int, ...]:
    """Return clocks about ``LEVEL_RATIO`` of the fastest apart, fastest and slowest among them."""
    apart = clocks_mhz[-1] * LEVEL_RATIO
    out = [clocks_mhz[-1]]
    for clock in reversed(clocks_mhz):
        if out[-1] - clock >= apart:
            out.append(clock)
    if out[-1] != clocks_mhz[0]:
        out.append(clocks_mhz[0])
    return tuple(reversed(out))
