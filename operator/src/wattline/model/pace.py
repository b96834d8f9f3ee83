"""What a replica's own counters teach about it: how long its work takes and what it draws, over the clock."""

import math
from typing import NamedTuple

from wattline.model.fit import Fit, learn, prior
from wattline.model.residuals import NONE_SEEN, Residuals

MEMORY_WINDOWS = 2000
"""Observations of six busy seconds that are remembered: some hours of work, so that what was learnt of other clocks
outlives a time at one."""

UNSEEN_RATIO = 0.1
"""Ours: a clock never tried may draw this much less than the formula says."""

_STEPS = 100.0
_PREFILL = 10_000.0
_AGENTS = 32.0
_GHZ = 1000.0


class Work(NamedTuple):
    """What a replica did in a stretch of time without a change of clock, per second."""

    clock_mhz: float
    running: float
    """Turns at the engine, on average."""
    resident_ratio: float
    prefill_per_second: float
    """Prompt tokens computed, without those the cache had."""
    generated_per_second: float
    watts: float
    busy_ratio: float = 1.0
    """Share of the time in which any turn ran."""
    alone_ratio: float = 0.0
    """Share of the time in which exactly one did."""

    @property
    def steps_per_second(self) -> float:
        """Return about how many decode steps there were: every running turn gets one token a step."""
        return self.generated_per_second / max(self.running, 1e-9)


class Pace(NamedTuple):
    """Learned models of one replica; every prediction holds for the work it is asked about."""

    time: Fit | None = None
    """Seconds per 100 decode steps: constant, per resident share, per 32 agents, per 1/GHz², per 32 agents/GHz²;
    then seconds per 10,000 prompt tokens and 1/GHz. The square stands for a bend: while memory binds, the clock
    hardly matters, and below some clock it does."""
    time_errors: Residuals = NONE_SEEN
    power: Fit | None = None
    """Watts while busy: constant, GHz, GHz³, log(agents) × GHz; then per 10,000 prompt tokens a second, and GHz²."""
    power_errors: Residuals = NONE_SEEN
    idle_watts: float | None = None
    most_watts: float = 0.0

    def step_seconds(self, clock_mhz: float, running: float, resident_ratio: float) -> float:
        """Return how long one decode step takes."""
        ghz = clock_mhz / _GHZ
        agents = max(running, 1.0) / _AGENTS
        if self.time is None:
            return 1.0
        a, b, c, d, e, _ = self.time.parameters
        memory = max(a, 0.0) + max(b, 0.0) * resident_ratio + max(c, 0.0) * agents
        compute = (max(d, 0.0) + max(e, 0.0) * agents) / ghz**2
        return max(memory + compute, 1e-2) / _STEPS * (1.0 + self.time_errors.at(clock_mhz))

    def prefill_share(self, clock_mhz: float, prefill_per_second: float) -> float:
        """Return the share of each second that prefill takes."""
        if self.time is None:
            return 0.0
        per_token = max(self.time.parameters[5], 0.0) / (clock_mhz / _GHZ)
        return min(0.95, prefill_per_second / _PREFILL * per_token)

    def agent_tokens_per_second(self, clock_mhz: float, work: Work) -> float:
        """Return what each running turn gets at a clock, with the present work beside it."""
        return self.agent_rate(work.running, work.resident_ratio, work.prefill_per_second).at(clock_mhz)

    def agent_rate(self, running: float, resident_ratio: float, prefill_per_second: float) -> "AgentRate":
        """Return what each running turn gets in a second, as a function of the clock."""
        if self.time is None:
            return _UNKNOWN_RATE
        a, b, c, d, e, f = self.time.parameters
        agents = max(running, 1.0) / _AGENTS
        return AgentRate(
            max(a, 0.0) + max(b, 0.0) * resident_ratio + max(c, 0.0) * agents,
            max(d, 0.0) + max(e, 0.0) * agents,
            max(f, 0.0),
            prefill_per_second / _PREFILL,
            self.time_errors,
        )

    def busy_watts(self, clock_mhz: float, running: float, prefill_per_second: float) -> float:
        """Return the draw while the engine works."""
        if self.power is None:
            return self.most_watts
        features = _power_features(clock_mhz / _GHZ, max(running, 1.0), prefill_per_second)
        watts = self.power.predict(features) * (1.0 + self.power_errors.at(clock_mhz))
        return max(watts, self.idle_watts or 0.0)

    def unsure_ratio(self, clock_mhz: float) -> float:
        """Return how far off ``busy_watts`` may be: the formula is trusted only where it was tried."""
        return UNSEEN_RATIO * self.power_errors.doubt(clock_mhz)

    def marginal_watts(self, clock_mhz: float, work: Work) -> float:
        """Return how much above idle the replica draws on average if the work that comes stays as it is.

        Running turns absorb slowness: while there are several, a slower step only makes the batch larger, and
        the engine is busy all the time either way. Only where a turn ran alone does its slowness end a pause
        later; so the busy time grows with each relative lengthening by the share of it that turns ran alone
        (exact for an agent that is always alone; above one, such an agent gets less done in the time). What is not known of a clock counts for it: trying it is cheap, and so every clock that
        could be the cheapest is seen once.
        """
        idle = self.idle_watts if self.idle_watts is not None else 0.2 * self.most_watts
        together = work.running / max(work.busy_ratio, 1e-3)
        resident, prefill = work.resident_ratio, work.prefill_per_second
        usual = self.agent_rate(together, resident, prefill).at(work.clock_mhz)
        alone = min(1.0, work.alone_ratio / max(work.busy_ratio, 1e-3))
        running, busy, longer = together, work.busy_ratio, 1.0
        for _ in range(4):  # slower steps make larger batches, which make slower steps
            rate = self.agent_rate(running, resident, prefill).at(clock_mhz)
            longer = min(usual / max(rate, 1e-6), 20.0)
            busy = max(work.busy_ratio, 1e-3) * longer**alone
            running = max(1.0, work.running * longer / busy)
        watts = self.busy_watts(clock_mhz, running, work.prefill_per_second / busy)
        return busy * max(1.0, watts * (1.0 - self.unsure_ratio(clock_mhz)) - idle)


class AgentRate(NamedTuple):
    """What each running turn gets in a second, as a function of the clock, with the work beside it as it is."""

    memory: float
    """Seconds of 100 steps that do not follow the clock."""
    compute: float
    """Those that follow 1/GHz²."""
    per_prompt: float
    """Seconds of 10,000 prompt tokens, at 1 GHz."""
    prompts: float
    """Of so many tokens, a second."""
    errors: Residuals
    """Of a step's time."""

    def at(self, clock_mhz: float) -> float:
        """Return the tokens a second."""
        return self.erring(clock_mhz, self.errors.at(clock_mhz))

    def erring(self, clock_mhz: float, error: float) -> float:
        """Return the same for a known relative error of the step's time."""
        ghz = clock_mhz / _GHZ
        share = min(0.95, self.prompts * (self.per_prompt / ghz))
        step = max(self.memory + self.compute / ghz**2, 1e-2) / _STEPS * (1.0 + error)
        return (1.0 - share) / step


_UNKNOWN_RATE = AgentRate(_STEPS, 0.0, 0.0, 0.0, NONE_SEEN)
"""A step a second."""
NEW = Pace()
"""Before anything was seen."""


def watched(pace: Pace, work: Work) -> Pace:
    """Return the models after a stretch in which the engine was busy throughout."""
    ghz = work.clock_mhz / _GHZ
    steps = work.steps_per_second / _STEPS
    agents = work.running / _AGENTS
    prefill = work.prefill_per_second / _PREFILL
    features = (
        steps,
        steps * work.resident_ratio,
        steps * agents,
        steps / ghz**2,
        steps / ghz**2 * agents,
        prefill / ghz,
    )
    most = max(pace.most_watts, work.watts)
    ghz_power = _power_features(ghz, work.running, work.prefill_per_second)
    time = pace.time or _time_prior(1.0 / max(steps, 1e-3), ghz)
    power = pace.power or _power_prior(work.watts, ghz)
    return pace._replace(
        time=learn(time, features, 1.0, noise=0.15, memory=MEMORY_WINDOWS),
        time_errors=pace.time_errors.after(work.clock_mhz, _relative(1.0, time.predict(features))),
        power=learn(power, ghz_power, work.watts, noise=0.05 * most, memory=MEMORY_WINDOWS),
        power_errors=pace.power_errors.after(work.clock_mhz, _relative(work.watts, power.predict(ghz_power))),
        most_watts=most,
    )


def _relative(seen: float, expected: float) -> float:
    return min(0.5, max(-0.5, seen / max(expected, 0.1 * seen) - 1.0))


def rested(pace: Pace, watts: float) -> Pace:
    """Return the models after a second without a running turn."""
    idle = watts if pace.idle_watts is None else pace.idle_watts + 0.05 * (watts - pace.idle_watts)
    most = max(pace.most_watts, watts)
    return Pace(pace.time, pace.time_errors, pace.power, pace.power_errors, idle, most)


def _power_features(ghz: float, running: float, prefill_per_second: float) -> tuple[float, ...]:
    prefill = prefill_per_second / _PREFILL
    return (1.0, ghz, ghz**3, math.log(max(running, 1.0)) * ghz, prefill, prefill * ghz**2)


def _time_prior(seconds: float, ghz: float) -> Fit:
    """Return what is assumed before a second clock was seen: of the first steps' time a fifth follows the clock.

    A prompt of 10,000 tokens takes about a second and may take several (ours, of the order of mid-size models).
    """
    bend = seconds * ghz**2
    return prior(
        (0.5 * seconds, 0.3 * seconds, 0.3 * seconds, 0.1 * bend, 0.1 * bend, 1.2),
        (0.7 * seconds, 0.5 * seconds, 2.0 * seconds, 0.4 * bend, 0.8 * bend, 2.0),
    )


def _power_prior(watts: float, ghz: float) -> Fit:
    """Return what is assumed before a second clock was seen: of the first reading half follows the clock."""
    return prior(
        (0.5 * watts, 0.3 * watts / ghz, 0.2 * watts / ghz**3, 0.0, 0.0, 0.0),
        (0.3 * watts, 0.2 * watts / ghz, 0.1 * watts / ghz**3, 0.1 * watts / ghz, watts, watts / ghz**2),
    )
