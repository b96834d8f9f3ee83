"""What a replica's own counters teach about it: how long its work takes and what it draws, over the clock."""

import math
from dataclasses import dataclass, replace

from wattline.model.fit import Fit, learn, prior

MEMORY_WINDOWS = 300
"""Observations of about ten seconds that are remembered: the better part of an hour of work."""

_STEPS = 100.0
_PREFILL = 10_000.0
_AGENTS = 32.0
_GHZ = 1000.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a replica did in a stretch of time without a change of clock, per second."""

    clock_mhz: float
    running: float
    """Turns at the engine, on average."""
    resident_ratio: float
    prefill_per_second: float
    """Prompt tokens computed, without those the cache had."""
    generated_per_second: float
    watts: float

    @property
    def steps_per_second(self) -> float:
        """Return about how many decode steps there were: every running turn gets one token a step."""
        return self.generated_per_second / max(self.running, 1e-9)


@dataclass(frozen=True, slots=True)
class Pace:
    """Learned models of one replica; every prediction holds for the work it is asked about."""

    time: Fit
    """Seconds per 100 decode steps: constant, per resident share, per 1/GHz, per 32 agents/GHz; then seconds per
    10,000 prompt tokens and 1/GHz."""
    power: Fit | None = None
    """Watts while busy: constant, GHz, GHz³, per 32 agents, prefill share, prefill share times GHz³."""
    idle_watts: float | None = None
    most_watts: float = 0.0

    def step_seconds(self, clock_mhz: float, running: float, resident_ratio: float) -> float:
        """Return how long one decode step takes."""
        ghz = clock_mhz / _GHZ
        a, b, c, d, _ = self.time.parameters
        memory = max(a, 0.0) + max(b, 0.0) * resident_ratio
        compute = (max(c, 0.0) + max(d, 0.0) * running / _AGENTS) / ghz
        return max(memory + compute, 1e-3) / _STEPS

    def prefill_share(self, clock_mhz: float, prefill_per_second: float) -> float:
        """Return the share of each second that prefill takes."""
        per_token = max(self.time.parameters[4], 0.0) / (clock_mhz / _GHZ)
        return min(0.95, prefill_per_second / _PREFILL * per_token)

    def agent_tokens_per_second(self, clock_mhz: float, work: Work) -> float:
        """Return what each running turn gets at a clock, with the present work beside it."""
        share = self.prefill_share(clock_mhz, work.prefill_per_second)
        return (1.0 - share) / self.step_seconds(clock_mhz, work.running, work.resident_ratio)

    def busy_watts(self, clock_mhz: float, running: float, prefill_share: float) -> float:
        """Return the draw while the engine works."""
        if self.power is None:
            return self.most_watts
        return max(
            self.power.predict(_power_features(clock_mhz / _GHZ, running, prefill_share)),
            self.idle_watts or 0.0,
        )

    def mean_watts(self, clock_mhz: float, work: Work, reference_mhz: float) -> float:
        """Return what the replica draws on average if the work that comes stays as it is at ``reference_mhz``.

        Running turns absorb slowness: while there are several, a slower step only makes the batch larger, and
        the engine is busy all the time either way. It is the seconds without any turn that slowness costs;
        turns that come at random leave ``exp(-mean running)`` of them.
        """
        idle = self.idle_watts if self.idle_watts is not None else 0.2 * self.most_watts
        slower = self.agent_tokens_per_second(reference_mhz, work) / max(
            self.agent_tokens_per_second(clock_mhz, work), 1e-6
        )
        running = work.running * slower
        busy = 1.0 - math.exp(-running)
        share = self.prefill_share(clock_mhz, work.prefill_per_second)
        return idle + busy * (self.busy_watts(clock_mhz, running, min(1.0, share / max(busy, 0.05))) - idle)


NEW = Pace(prior((1.0, 0.5, 0.3, 0.3, 1.2), (1.5, 1.0, 1.0, 1.0, 2.0)))
"""Before anything was seen: ours, of the order of a mid-size model, and unsure of all of it."""


def watched(pace: Pace, work: Work) -> Pace:
    """Return the models after a stretch in which the engine was busy throughout."""
    ghz = work.clock_mhz / _GHZ
    steps = work.steps_per_second / _STEPS
    prefill = work.prefill_per_second / _PREFILL
    features = (
        steps,
        steps * work.resident_ratio,
        steps / ghz,
        steps / ghz * work.running / _AGENTS,
        prefill / ghz,
    )
    time = learn(pace.time, features, 1.0, noise=0.08, memory=MEMORY_WINDOWS)
    most = max(pace.most_watts, work.watts)
    power = pace.power or _power_prior(work.watts, ghz)
    share = replace(pace, time=time).prefill_share(work.clock_mhz, work.prefill_per_second)
    power = learn(
        power,
        _power_features(ghz, work.running, share),
        work.watts,
        noise=0.03 * most,
        memory=MEMORY_WINDOWS,
    )
    return replace(pace, time=time, power=power, most_watts=most)


def rested(pace: Pace, watts: float) -> Pace:
    """Return the models after a second without a running turn."""
    idle = watts if pace.idle_watts is None else pace.idle_watts + 0.05 * (watts - pace.idle_watts)
    return replace(pace, idle_watts=idle, most_watts=max(pace.most_watts, watts))


def _power_features(ghz: float, running: float, prefill_share: float) -> tuple[float, ...]:
    cube = ghz**3
    return (1.0, ghz, cube, running / _AGENTS, prefill_share, prefill_share * cube)


def _power_prior(watts: float, ghz: float) -> Fit:
    """Return what is assumed before a second clock was seen: of the first reading half follows the clock."""
    return prior(
        (0.5 * watts, 0.3 * watts / ghz, 0.2 * watts / ghz**3, 0.0, 0.0, 0.0),
        (
            0.3 * watts,
            0.2 * watts / ghz,
            0.1 * watts / ghz**3,
            0.1 * watts,
            0.2 * watts,
            0.1 * watts / ghz**3,
        ),
    )
