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
  rises from that at the cheapest clock at half of alpha to nearly that at full speed at alpha, and the clock is the
  slowest that gives it: where decoding waits for memory, clocks beyond some point only heat. The same holds while
  agents are held.

Only upward moves are immediate; down it goes one level at a time. Without knowledge of memory, or with a batch
never seen, it goes up.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from wattline.api.powernode import ReplicaOrder
from wattline.model.pace import NEW, Pace, Work, rested, watched

DOWN_SECONDS = 2.0
"""At most one level down in this time (papers: at most one step per 2 s)."""
WINDOW_SECONDS = 6.0
"""Busy seconds at one clock that make an observation; ours: long against the 1 s average of the power sensor."""
SETTLE_SECONDS = 2.0
"""After a move nothing is learned for this long: clocks settle in up to 1 s, power is averaged over 1 s."""
MARGIN_RATIO = 1.05
"""The predicted rate is to stand this far above the objective."""
TRIM_STEP = 0.004
"""How fast the slowest agent's share of the model's rate is learnt, per second; slow, as its sensor is."""
EARLY_RATIO = 0.6
"""Ours: from this share of alpha on agents are sped up, fully at alpha: slow service is what fills memory."""
KEEN_RATIO = 0.93
"""Ours: as fast as it helps is the slowest clock that gives agents this share of their rate at full speed."""
ALIKE_RATIO = 1.02
"""Ours: of clocks whose predicted draw above idle differs by less, the fastest is taken."""
PLAN_SECONDS = 20.0
"""How often the cheapest clock is looked for; work and models move slower than that."""
USUAL_SECONDS = 600.0
"""Time constant of the work that the cheapest clock is chosen for."""
LEVEL_RATIO = 0.025
"""Levels are this share of the fastest clock apart."""
SMOOTH_SECONDS = 30.0
"""Time constant of the work that the objective is to be met for."""


class Why(StrEnum):
    """Why a clock is what it is."""

    UNKNOWN_LOAD = "UnknownLoad"
    LEARNING = "Learning"
    IDLE = "Idle"
    AGENTS_HELD = "AgentsHeld"
    MEMORY = "ProtectingMemory"
    OBJECTIVE = "MeetingObjective"
    SAVING = "SavingEnergy"


@dataclass(frozen=True, slots=True)
class ClockBounds:
    """Clocks that may be asked for."""

    clocks_mhz: tuple[int, ...]
    """Supported and inside all bounds, slowest first; the last one means full speed."""


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """One second of a replica."""

    at_seconds: float
    resident_tokens: int | None
    """Tokens that must stay in memory; unknown when a gateway is silent."""
    capacity_tokens: int | None
    slowest_agent_tokens_per_second: float | None
    """P5 of the agent rates of the last 30 s; none while no agent ran."""
    running: int
    waiting: int
    """Turns that the gateway holds for this replica."""
    prompt_tokens_total: float
    cached_tokens_total: float
    generation_tokens_total: float
    watts: float
    """Of all its GPUs, average of the last second."""
    clock_mhz: int
    """Read back."""
    limit_bound: bool
    """A power limit holds the clock down."""


@dataclass(frozen=True, slots=True)
class _Window:
    """An observation being made: sums over the seconds since it began."""

    seconds: float = 0.0
    clock_mhz: int = 0
    running: float = 0.0
    resident: float = 0.0
    prefill: float = 0.0
    generated: float = 0.0
    joules: float = 0.0


@dataclass(frozen=True, slots=True)
class ClockState:
    """What one second hands to the next."""

    seen: ClockSeen | None = None
    pace: Pace = NEW
    work: Work | None = None
    """Smoothed over half a minute."""
    usual: Work | None = None
    """Smoothed over ten minutes."""
    cheapest_mhz: int | None = None
    """Cheapest clock, as last looked for."""
    planned_at_seconds: float = -math.inf
    window: _Window = _Window()
    trim: float = 0.6
    """Slowest agent's rate against the model's."""
    modelled: float | None = None
    """Model's agent rate at the clocks that were, smoothed like the sensor."""
    lowest_mhz: int | None = None
    """Slowest clock that was observed; no step goes further below it than one level."""
    asked_mhz: int | None = None
    moved_at_seconds: float = -math.inf


@dataclass(frozen=True, slots=True)
class ClockDecision:
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
    state = _learned(state, seen)
    levels = _levels(bounds.clocks_mhz)
    top = levels[-1]
    if seen.at_seconds - state.planned_at_seconds >= PLAN_SECONDS and state.pace.power is not None:
        state = replace(state, cheapest_mhz=_cheapest(state, levels), planned_at_seconds=seen.at_seconds)
    wanted, needed, why, detail = _wanted(spec, levels, state, seen)
    now = min(state.asked_mhz if state.asked_mhz is not None else top, top)
    clock = now
    if wanted > now:
        clock = wanted
    elif wanted < now and seen.at_seconds - state.moved_at_seconds >= DOWN_SECONDS:
        lower = max((level for level in levels if level < now), default=levels[0])
        known = state.lowest_mhz is not None and now >= state.lowest_mhz  # one level beyond is an experiment
        clock = max(lower, wanted) if known else now
    moved = seen.at_seconds if clock != now else state.moved_at_seconds
    state = replace(state, asked_mhz=clock, moved_at_seconds=moved)
    return ClockDecision(
        state,
        None if clock == bounds.clocks_mhz[-1] else clock,
        _demand(state, needed, seen),
        why,
        detail,
    )


def _wanted(
    spec: ReplicaOrder, levels: tuple[int, ...], state: ClockState, seen: ClockSeen
) -> tuple[int, int, Why, str]:
    """Return the clock to go to, the clock the objective could need, and the reason."""
    top = levels[-1]
    memory = spec.memory
    if seen.resident_tokens is None or not seen.capacity_tokens:
        return top, top, Why.UNKNOWN_LOAD, "how much memory the agents hold is not known"
    resident = seen.resident_tokens / seen.capacity_tokens
    if state.work is None or state.cheapest_mhz is None:
        return top, top, Why.LEARNING, "nothing known of this replica's pace yet"
    objective = spec.tokens_per_second_per_agent_p5
    work = replace(state.work, running=max(state.work.running, float(seen.running)), resident_ratio=resident)
    pace, trim = state.pace, state.trim

    def rate(level: int) -> float:
        return pace.agent_tokens_per_second(level, work) * trim

    keen = _slowest_above(levels, rate, KEEN_RATIO * rate(top))
    needed = _slowest_above(levels, rate, objective * MARGIN_RATIO)
    if needed > keen:  # beyond, a little speed costs much: only where it makes the difference
        decisive = rate(keen) < objective <= rate(top)
        needed = _slowest_above(levels, rate, objective) if decisive else keen
    planned = state.cheapest_mhz
    cheapest = max(next((level for level in levels if level >= planned), top), needed)
    if seen.waiting > 0:
        return keen, keen, Why.AGENTS_HELD, f"{seen.waiting} turns wait for memory"
    early = EARLY_RATIO * memory.protect_above
    if resident > early:
        share = min(1.0, (resident - early) / (memory.protect_above - early))
        slow = rate(cheapest)
        clock = _slowest_above(levels, rate, slow + share * (rate(keen) - slow))
        if clock > cheapest:
            return (
                clock,
                keen,
                Why.MEMORY,
                f"agents hold {resident:.0%} of the memory; from {early:.0%} on speed frees it",
            )
    said = f"slowest agent predicted at {rate(cheapest):.0f} tok/s for {objective:.0f}"
    if cheapest == needed and cheapest != levels[0]:
        return cheapest, needed, Why.OBJECTIVE, said
    return cheapest, needed, Why.SAVING, f"least energy for this work; {said}"


def _slowest_above(levels: tuple[int, ...], rate: Callable[[int], float], least: float) -> int:
    """Return the slowest level whose rate is at least ``least``, the fastest where none is; rates rise with levels."""
    low, high = 0, len(levels) - 1
    while low < high:
        middle = (low + high) // 2
        if rate(levels[middle]) >= least - 1e-9:
            high = middle
        else:
            low = middle + 1
    return levels[low]


def _cheapest(state: ClockState, levels: tuple[int, ...]) -> int:
    """Return the fastest level that costs hardly more than the cheapest."""
    if state.usual is None:
        return levels[-1]
    work, pace = state.usual, state.pace
    costs = [pace.marginal_watts(level, work) for level in levels]
    least = min(costs) * ALIKE_RATIO
    return max(level for level, cost in zip(levels, costs, strict=True) if cost <= least)


def _demand(state: ClockState, needed_mhz: int, seen: ClockSeen) -> float:
    if state.work is None or state.pace.power is None:
        return math.inf
    work, pace = state.work, state.pace
    return max(
        pace.busy_watts(needed_mhz, max(work.running, seen.running), work.prefill_per_second), seen.watts
    )


def _learned(state: ClockState, seen: ClockSeen) -> ClockState:
    """Return the state after one more second was seen."""
    before = state.seen
    state = replace(state, seen=seen)
    if before is None or seen.at_seconds <= before.at_seconds:
        return state
    seconds = seen.at_seconds - before.at_seconds
    prompt = seen.prompt_tokens_total - before.prompt_tokens_total
    cached = seen.cached_tokens_total - before.cached_tokens_total
    generated = seen.generation_tokens_total - before.generation_tokens_total
    if min(prompt, cached, generated) < 0 or seconds > 5.0:  # the engine was started again, or we slept
        return replace(state, window=_Window())
    prefill = max(0.0, prompt - cached)
    pace = state.pace
    if seen.running == 0 and before.running == 0 and generated == 0 and prefill == 0:
        pace = rested(pace, seen.watts)
    resident = _ratio(seen)
    done = (seconds, prefill, generated, resident)
    work = _smoothed(state.work, seen, done, SMOOTH_SECONDS)
    usual = _smoothed(state.usual, seen, done, USUAL_SECONDS)
    window, pace = _observed(state, before, seen, done, pace)
    modelled, trim = _trimmed(state, replace(work, running=max(1.0, float(seen.running))), seen, seconds)
    lowest = state.lowest_mhz
    if pace.time is not state.pace.time:
        lowest = min(lowest or seen.clock_mhz, seen.clock_mhz)
    return replace(
        state,
        pace=pace,
        work=work,
        usual=usual,
        window=window,
        modelled=modelled,
        trim=trim,
        lowest_mhz=lowest,
    )


def _smoothed(
    work: Work | None, seen: ClockSeen, done: tuple[float, float, float, float], smooth_seconds: float
) -> Work:
    seconds, prefill, generated, resident = done
    if work is None:
        return Work(
            seen.clock_mhz,
            float(seen.running),
            resident,
            prefill / seconds,
            generated / seconds,
            seen.watts,
            float(seen.running > 0),
            float(seen.running == 1),
        )
    share = 1.0 - math.exp(-seconds / smooth_seconds)

    def toward(old: float, new: float) -> float:
        return old + share * (new - old)

    return Work(
        toward(work.clock_mhz, seen.clock_mhz if seen.running else work.clock_mhz),
        toward(work.running, seen.running),
        toward(work.resident_ratio, resident),
        toward(work.prefill_per_second, prefill / seconds),
        toward(work.generated_per_second, generated / seconds),
        toward(work.watts, seen.watts),
        toward(work.busy_ratio, seen.running > 0),
        toward(work.alone_ratio, seen.running == 1),
    )


def _observed(
    state: ClockState,
    before: ClockSeen,
    seen: ClockSeen,
    done: tuple[float, float, float, float],
    pace: Pace,
) -> tuple[_Window, Pace]:
    """Return the observation with this second added, and what a complete one taught."""
    seconds, prefill, generated, resident = done
    busy = seen.running > 0 and before.running > 0
    settled = seen.at_seconds - state.moved_at_seconds > SETTLE_SECONDS
    window = state.window
    if not busy or not settled or seen.limit_bound:  # under a limit the clock wanders within the second
        return window, pace
    if window.clock_mhz != seen.clock_mhz:
        window = _Window()
    window = _Window(
        window.seconds + seconds,
        seen.clock_mhz,
        window.running + seconds * (seen.running + before.running) / 2,
        window.resident + seconds * resident,
        window.prefill + prefill,
        window.generated + generated,
        window.joules + seconds * seen.watts,
    )
    if window.seconds < WINDOW_SECONDS:
        return window, pace
    length = window.seconds
    work = Work(
        window.clock_mhz,
        window.running / length,
        window.resident / length,
        window.prefill / length,
        window.generated / length,
        window.joules / length,
    )
    return _Window(), watched(pace, work)


def _trimmed(state: ClockState, work: Work, seen: ClockSeen, seconds: float) -> tuple[float | None, float]:
    """Return the model's rate smoothed like the sensor, and the low quantile of sensor against model."""
    if seen.running == 0 or state.pace.time is None:
        return state.modelled, state.trim
    now = state.pace.agent_tokens_per_second(seen.clock_mhz, work)
    modelled = now if state.modelled is None else state.modelled + seconds / 15.0 * (now - state.modelled)
    slowest = seen.slowest_agent_tokens_per_second
    if slowest is None or seen.waiting > 0:
        return modelled, state.trim
    below = slowest < state.trim * modelled
    step = TRIM_STEP * seconds * (_allowed_below(state) - float(below))
    return modelled, min(1.2, max(0.2, state.trim * math.exp(step)))


def _allowed_below(state: ClockState) -> float:
    """Return the share of time in which the slowest agent may be below, if one window in twenty may.

    The sensor is the slowest of the few agents of the last half minute: with more of them, one is below oftener.
    """
    agents = 1.0 if state.usual is None else state.usual.running / max(state.usual.busy_ratio, 1e-3)
    return min(0.4, 1.0 - math.pow(0.95, max(1.0, agents)))


def _ratio(seen: ClockSeen) -> float:
    if seen.resident_tokens is None or not seen.capacity_tokens:
        return 1.0
    return seen.resident_tokens / seen.capacity_tokens


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
