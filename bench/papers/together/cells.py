"""One cell of the study: a day of the fleet with some levers on, and what came of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from bench.papers.study import Json
from bench.papers.together.fleet import OBJECTIVE, POOLS, Weather, emergency, fleet, work

from wattline.policy import rest
from wattline.policy.route import Mode
from wattline.sim.changes import Do, ReplicaChange
from wattline.sim.life import Stage
from wattline.sim.report import Report
from wattline.sim.scenario import Scenario, Served
from wattline.sim.sensors import EXACT, REAL
from wattline.sim.simulate import simulate
from wattline.sim.steer import PoolLook, Steer
from wattline.world.curve import SHAPES

ADMISSION, ROUTING, CLOCK, SHARING, REST, RUNGS = LEVERS = (
    "admission",
    "routing",
    "clock",
    "sharing",
    "rest",
    "rungs",
)
FACTORS = (ADMISSION, ROUTING, CLOCK, SHARING, REST)
"""Those of the full factorial: rungs only matter in the five minutes of the emergency."""
NONE: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A day, and which levers are on."""

    levers: tuple[str, ...]
    seed: int
    hours: float
    """In which the day's 24 pass."""
    traces: tuple[str | None, ...]
    """Of each pool; generated where there is none."""
    load: float = 0.9
    """Of what the agents' replicas finish under the base's own limits, at the busiest hour."""
    budget_ratio: float = 1.0
    objective: float = OBJECTIVE
    """Of every pool, in tok/s."""
    shape: str = "perseus"
    plain_routing: str = "affinity"
    """How turns are routed where routing is off."""
    sensors: str = "real"


def only(*names: str) -> tuple[str, ...]:
    """Return these levers in their order."""
    return tuple(name for name in LEVERS if name in names)


def but(name: str) -> tuple[str, ...]:
    """Return all levers but one."""
    return tuple(each for each in LEVERS if each != name)


def factorial(factors: Iterable[str] = FACTORS) -> tuple[tuple[str, ...], ...]:
    """Return every combination of the factors, none first and all last."""
    names = only(*factors)
    return tuple(chosen for size in range(len(names) + 1) for chosen in combinations(names, size))


def scenario(case: Case) -> Scenario:
    """Return the simulator's question; every cell of a seed gets the same runs, weather and emergency."""
    served = tuple(
        Served(pool.name, work(pool, case.hours, case.load, case.seed, trace))
        for pool, trace in zip(POOLS, case.traces, strict=True)
    )
    return Scenario(
        fleet=fleet(case.budget_ratio, case.objective),
        served=served,
        hours=case.hours,
        product="h100",
        admission=ADMISSION in case.levers,
        routing=Mode.WATTLINE if ROUTING in case.levers else Mode(case.plain_routing),
        clock="wattline" if CLOCK in case.levers else None,
        cap="wattline" if SHARING in case.levers else "uniform",
        steer=resting if REST in case.levers else None,
        changes=emergency(case.hours, case.budget_ratio, degraded=RUNGS in case.levers),
        inlet=Weather(case.hours),
        sensors={"real": REAL, "exact": EXACT}[case.sensors],
        shape=SHAPES[case.shape],
        seed=case.seed,
    )


def played(case: Case) -> Json:
    """Return what a day came to."""
    return outcomes(simulate(scenario(case)))


def outcomes(report: Report) -> dict[str, float]:
    """Return the outcomes that the study compares, of the fleet and of each pool under ``POOL.``."""
    rates = [pool.tokens_per_second_per_agent_p5 or 0.0 for pool in report.pools]
    whole = {
        "joules_per_run": report.joules / max(1, report.runs_finished),
        "joules_per_token": report.joules / max(1, report.output_tokens),
        "rate_p5": report.tokens_per_second_per_agent_p5 or 0.0,
        "least_rate_p5": min(rates),
        "ttft_p99": report.ttft_seconds_p99 or 0.0,
        "run_seconds": report.run_seconds_mean or 0.0,
        "finished_ratio": report.runs_finished / max(1, report.runs_offered - report.runs_outgrown),
        "over_seconds": report.over_budget_seconds,
        "max_celsius": report.max_celsius,
        "recomputed": report.recomputed_ratio,
        "mean_watts": report.mean_watts,
        "peak_watts": report.peak_watts or 0.0,
        "seconds": report.seconds,
    }
    for pool in report.pools:
        whole |= {
            f"{pool.name}.joules": pool.joules,
            f"{pool.name}.rate_p5": pool.tokens_per_second_per_agent_p5 or 0.0,
            f"{pool.name}.ttft_p99": pool.ttft_seconds_p99 or 0.0,
            f"{pool.name}.run_seconds": pool.run_seconds_mean or 0.0,
            f"{pool.name}.recomputed": pool.recomputed_ratio,
            f"{pool.name}.success": 1.0
            if pool.runs_successful is None
            else pool.runs_successful / max(1, pool.runs_finished),
        }
    return whole


def resting() -> Steer:
    """Return the policy of resting replicas as the simulator asks it."""
    spec, states = rest.RestSpec(), dict[str, rest.RestState]()

    def steer(at_seconds: float, pools: Mapping[str, PoolLook]) -> Iterable[ReplicaChange]:
        for name, pool in pools.items():
            seen = rest.RestSeen(at_seconds, tuple(_seen(pool)), pool.held)
            decision = rest.decide(spec, states.get(name, rest.RestState()), seen)
            states[name] = decision.state
            if decision.stop is not None:
                yield ReplicaChange(at_seconds, name, decision.stop, Do.DRAIN)
            if decision.start is not None:
                yield ReplicaChange(at_seconds, name, decision.start, Do.START)

    return steer


def _seen(pool: PoolLook) -> Iterable[rest.ReplicaSeen]:
    for name, look in pool.replicas.items():
        yield rest.ReplicaSeen(
            name=name,
            working=look.stage is Stage.SERVING,
            moving=look.stage not in {Stage.SERVING, Stage.STOPPED},
            resident_tokens=look.resident_tokens,
            capacity_tokens=look.capacity_tokens,
            running=look.running,
        )
