"""What is learnt of a replica, second by second: its models, the work it has, and how its slowest agent fares."""

import math
from typing import NamedTuple

from wattline.model.pace import NEW, Pace, Work, rested, watched

WINDOW_SECONDS = 6.0
"""Busy seconds at one clock that make an observation; ours: long against the 1 s average of the power sensor."""
SETTLE_SECONDS = 2.0
"""After a move nothing is learned for this long: clocks settle in up to 1 s, power is averaged over 1 s."""
SMOOTH_SECONDS = 30.0
"""Time constant of the work that the objective is to be met for."""
USUAL_SECONDS = 600.0
"""Time constant of the work that the cheapest clock is chosen for."""
TRIM_STEP = 0.004
"""How fast the slowest agent's share of the model's rate is learnt, per second; slow, as its sensor is."""


class ClockSeen(NamedTuple):
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


class _Window(NamedTuple):
    """An observation being made: sums over the seconds since it began."""

    seconds: float = 0.0
    clock_mhz: int = 0
    running: float = 0.0
    resident: float = 0.0
    prefill: float = 0.0
    generated: float = 0.0
    joules: float = 0.0


class Learnt(NamedTuple):
    """All that one second hands to the next."""

    seen: ClockSeen | None = None
    pace: Pace = NEW
    work: Work | None = None
    """Smoothed over half a minute."""
    usual: Work | None = None
    """Smoothed over ten minutes."""
    window: _Window = _Window()
    trim: float = 0.6
    """Slowest agent's rate against the model's."""
    modelled: float | None = None
    """Model's agent rate at the clocks that were, smoothed like the sensor."""
    lowest_mhz: int | None = None
    """Slowest clock that was observed."""


NOTHING = Learnt()
"""Before anything was seen."""


def after(state: Learnt, seen: ClockSeen, moved_at_seconds: float) -> Learnt:
    """Return the state after one more second was seen."""
    before = state.seen
    if before is None or seen.at_seconds <= before.at_seconds:
        return state._replace(seen=seen)
    seconds = seen.at_seconds - before.at_seconds
    prompt = seen.prompt_tokens_total - before.prompt_tokens_total
    cached = seen.cached_tokens_total - before.cached_tokens_total
    generated = seen.generation_tokens_total - before.generation_tokens_total
    if min(prompt, cached, generated) < 0 or seconds > 5.0:  # the engine was started again, or we slept
        return state._replace(seen=seen, window=_Window())
    prefill = max(0.0, prompt - cached)
    pace = state.pace
    if seen.running == 0 and before.running == 0 and generated == 0 and prefill == 0:
        pace = rested(pace, seen.watts)
    resident = _ratio(seen)
    done = (seconds, prefill, generated, resident)
    work = _smoothed(state.work, seen, done, SMOOTH_SECONDS)
    usual = _smoothed(state.usual, seen, done, USUAL_SECONDS)
    window, pace = _observed(state, moved_at_seconds, before, seen, done, pace)
    modelled, trim = _trimmed(state, work, seen, seconds)
    lowest = state.lowest_mhz
    if pace.time is not state.pace.time:
        lowest = min(lowest or seen.clock_mhz, seen.clock_mhz)
    return Learnt(seen, pace, work, usual, window, trim, modelled, lowest)


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
    running = seen.running
    return Work(
        work.clock_mhz + share * (seen.clock_mhz - work.clock_mhz) if running else work.clock_mhz,
        work.running + share * (running - work.running),
        work.resident_ratio + share * (resident - work.resident_ratio),
        work.prefill_per_second + share * (prefill / seconds - work.prefill_per_second),
        work.generated_per_second + share * (generated / seconds - work.generated_per_second),
        work.watts + share * (seen.watts - work.watts),
        work.busy_ratio + share * ((running > 0) - work.busy_ratio),
        work.alone_ratio + share * ((running == 1) - work.alone_ratio),
    )


def _observed(
    state: Learnt,
    moved_at_seconds: float,
    before: ClockSeen,
    seen: ClockSeen,
    done: tuple[float, float, float, float],
    pace: Pace,
) -> tuple[_Window, Pace]:
    """Return the observation with this second added, and what a complete one taught."""
    seconds, prefill, generated, resident = done
    busy = seen.running > 0 and before.running > 0
    settled = seen.at_seconds - moved_at_seconds > SETTLE_SECONDS
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


def _trimmed(state: Learnt, work: Work, seen: ClockSeen, seconds: float) -> tuple[float | None, float]:
    """Return the model's rate smoothed like the sensor, and the low quantile of sensor against model."""
    if seen.running == 0 or state.pace.time is None:
        return state.modelled, state.trim
    running = max(1.0, float(seen.running))
    now = state.pace.agent_rate(running, work.resident_ratio, work.prefill_per_second).at(seen.clock_mhz)
    modelled = now if state.modelled is None else state.modelled + seconds / 15.0 * (now - state.modelled)
    slowest = seen.slowest_agent_tokens_per_second
    if slowest is None or seen.waiting > 0:
        return modelled, state.trim
    below = slowest < state.trim * modelled
    step = TRIM_STEP * seconds * (_allowed_below(state) - float(below))
    return modelled, min(1.2, max(0.2, state.trim * math.exp(step)))


def _allowed_below(state: Learnt) -> float:
    """Return the share of time in which the slowest agent may be below, if one window in twenty may.

    The sensor is the slowest of the few agents of the last half minute: with more of them, one is below oftener.
    """
    agents = 1.0 if state.usual is None else state.usual.running / max(state.usual.busy_ratio, 1e-3)
    return min(0.4, 1.0 - math.pow(0.95, max(1.0, agents)))


def _ratio(seen: ClockSeen) -> float:
    if seen.resident_tokens is None or not seen.capacity_tokens:
        return 1.0
    return seen.resident_tokens / seen.capacity_tokens
