"""A day of a mixed fleet: three pools on two rows of a site whose budget binds at the peak, heat and an emergency."""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi
from pathlib import Path
from random import Random

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec, Objective
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.model.runs import Arrival
from wattline.sim import arrivals, traces
from wattline.sim.air import Inlet
from wattline.sim.changes import BudgetChange, Change, Do, ReplicaChange
from wattline.sim.generate import generate
from wattline.sim.recording import Calls, Recording
from wattline.sim.rungs import Rung

SITE, ROW_A, ROW_B = "site", "row-a", "row-b"
PEAK_WATTS = {SITE: 4143.0, ROW_A: 2249.0, ROW_B: 2324.0}
"""Highest 1 s draw of an hour of 0.043 (coder), 1.5 (chat) and 0.6 (big) runs a second, full clocks, no admission, no limit
[ours]."""
BUDGET_RATIOS = {SITE: 0.75, ROW_A: 0.85, ROW_B: 0.85}
"""Budgets over those: what the rows may draw is more than the site has, as where watts are oversubscribed [ours]."""

OBJECTIVE = 20.0
"""P5 of the agents' rates that every pool asks for, in tok/s: the product's default, and KAIROS's."""

DAY_HOURS = 24
PEAK_HOUR = 15.0
"""Working hours' peak, and when the emergency comes."""
EMERGENCY_SECONDS = 300.0
EMERGENCY_RATIO = 0.75
"""A row loses a quarter for five minutes, as in TAPAS's failures (arXiv 2501.02600)."""

COOL_CELSIUS, HOT_CELSIUS, HOT_HOUR = 20.0, 38.0, 16.0
"""Inlet air of a hot day: at night, in the afternoon, and when it is hottest [assumption]."""
CELSIUS_PER_KILOWATT = 0.5
"""What a node's own draw adds by recirculation [assumption]."""


@dataclass(frozen=True, slots=True)
class PoolOf:
    """One pool and its load."""

    name: str
    model: str
    nodes: tuple[str, ...]
    """Of each replica."""
    gpus: int
    """Of a replica."""
    full_rate: float
    """Runs per second at its busiest hour at load 1."""
    peak_hour: float
    night_ratio: float
    """Rate of its quietest hour over that of its busiest."""


POOLS = (
    PoolOf("coder", "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8", ("a1", "a1"), 1, 0.038, PEAK_HOUR, 0.2),
    PoolOf("chat", "Qwen/Qwen3-14B", ("a2", "a2"), 1, 1.1, PEAK_HOUR - 2, 0.2),
    PoolOf("big", "meta-llama/Llama-3.1-70B-Instruct", ("b1",), 4, 0.33, PEAK_HOUR + 4, 0.5),
)
"""Agents, whose rate at load 1 is what two replicas finish under the base's own limits while a run is always waiting [ours:
715 runs in 18,695 s with admission, which is the base at its best]; calls far below what their replicas can; and calls of
a big model that peak in the evening."""
ROWS = {ROW_A: ("a1", "a2"), ROW_B: ("b1",)}

DEGRADED = ReplicaChange(
    0.0, "chat", "r1", Do.START, Rung("gpt-oss-20b", "openai/gpt-oss-20b", success_ratio=0.9)
)
"""What an emergency does to quality where rungs are a lever: one of two chat replicas serves a smaller model. Its success
has no source: joules per successful run are a what-if."""


def fleet(budget_ratio: float = 1.0, objective: float = OBJECTIVE) -> Fleet:
    """Return pools, all with this objective in tok/s, and domains; ``budget_ratio`` makes budgets tighter or wider."""
    watts = {name: budget_ratio * BUDGET_RATIOS[name] * peak for name, peak in PEAK_WATTS.items()}
    rows = tuple(_domain(name, watts[name], nodes, SITE) for name, nodes in ROWS.items())
    return Fleet((_domain(SITE, watts[SITE]), *rows), tuple(_pool(each, objective) for each in POOLS))


def work(pool: PoolOf, hours: float, load: float, seed: int, trace: str | None) -> list[Arrival]:
    """Return a pool's runs of a day that passes in ``hours``; they depend on nothing that a lever moves."""
    rng = Random(f"together/{pool.name}/{seed}")
    step = hours * 3600 / DAY_HOURS
    profile = [(hour * step, load * rate(pool, hour + 0.5)) for hour in range(DAY_HOURS)]
    return arrivals.schedule(_recording(pool.name, trace), arrivals.stepped(profile, hours, rng), rng)


def rate(pool: PoolOf, hour: float) -> float:
    """Return a pool's runs per second at an hour of the day at load 1."""
    return pool.full_rate * (pool.night_ratio + (1 - pool.night_ratio) * _swing(hour, pool.peak_hour))


def emergency(hours: float, budget_ratio: float, *, degraded: bool) -> tuple[Change, ...]:
    """Return what happens to a row at the peak of a day that passes in ``hours``."""
    watts = budget_ratio * BUDGET_RATIOS[ROW_A] * PEAK_WATTS[ROW_A]
    begins = hours * 3600 * PEAK_HOUR / DAY_HOURS
    ends = begins + min(EMERGENCY_SECONDS, hours * 3600 / 8)
    changes: list[Change] = [
        BudgetChange(begins, ROW_A, EMERGENCY_RATIO * watts),
        BudgetChange(ends, ROW_A, watts),
    ]
    if degraded:
        at = DEGRADED
        changes += [
            ReplicaChange(begins, at.pool, at.replica, at.do, at.rung),
            ReplicaChange(ends, at.pool, at.replica, at.do),
        ]
    return tuple(changes)


@dataclass(frozen=True, slots=True)
class Weather:
    """Makes the air of a hot day that passes in ``hours``."""

    hours: float

    def __call__(self) -> Inlet:
        """Return inlet temperatures by time and by what nodes draw."""

        def inlet(at_seconds: float, watts: dict[str, float]) -> dict[str, float]:
            hour = at_seconds / 3600 / self.hours * DAY_HOURS
            outside = COOL_CELSIUS + (HOT_CELSIUS - COOL_CELSIUS) * _swing(hour, HOT_HOUR)
            return {name: outside + CELSIUS_PER_KILOWATT * draw / 1000 for name, draw in watts.items()}

        return inlet


def _swing(hour: float, peak_hour: float) -> float:
    """Return 1 at the peak hour, 0 twelve hours from it, and a cosine between."""
    return (1 + cos(2 * pi * (hour - peak_hour) / DAY_HOURS)) / 2


def _pool(each: PoolOf, objective: float) -> InferencePool:
    endpoints = tuple(
        Endpoint(
            name=f"r{index}",
            url=f"http://127.0.0.1:{8100 + index}",
            node=node,
            gpus=tuple(f"GPU-{each.name}-{index}-{gpu}" for gpu in range(each.gpus)),
        )
        for index, node in enumerate(each.nodes)
    )
    spec = InferencePoolSpec(
        model=each.model, endpoints=endpoints, objective=Objective(tokens_per_second_per_agent_p5=objective)
    )
    return InferencePool(metadata=Metadata(name=each.name), spec=spec)


def _domain(name: str, watts: float, nodes: tuple[str, ...] = (), parent: str | None = None) -> PowerDomain:
    spec = PowerDomainSpec(parent=parent, nodes=nodes, budget=Budget(watts=watts))
    return PowerDomain(metadata=Metadata(name=name), spec=spec)


@lru_cache(maxsize=3)
def _recording(pool: str, trace: str | None) -> Recording:
    if trace is not None:
        return traces.load(Path(trace))
    return generate(68, f"together/{pool}") if pool == "coder" else _calls(pool)


def _calls(pool: str) -> Recording:
    """Return calls shaped like those of Azure's conversations: lognormal lengths with their medians and tails."""
    rng, calls = Random(f"together/{pool}/calls"), Calls(f"{pool}-calls", "generated")
    for _ in range(2000):
        prompt = min(12_000, max(4, round(rng.lognormvariate(6.9, 0.9))))
        calls.add(prompt, min(1000, max(7, round(rng.lognormvariate(4.9, 0.9)))))
    return Recording(calls)
