"""One run of the simulator, as the house's experiment defines it: agents, arrivals, the fleet and its policies."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec, Objective, Routing
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.model.runs import Arrival
from wattline.policy.route import Mode
from wattline.sim import arrivals, traces
from wattline.sim.changes import Change
from wattline.sim.generate import generate
from wattline.sim.recording import Recording
from wattline.sim.scenario import Scenario
from wattline.sim.simulate import simulate
from wattline.sim.steer import PoolLook
from wattline.world.curve import SHAPES
from wattline.world.engines import ENGINES
from wattline.world.physics import EnginePhysics

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
PRODUCT = "h100-nvl"
DAY = ((0.0, 0.5), (0.2, 0.7), (0.4, 0.9), (0.55, 0.95), (0.65, 1.1), (0.7, 0.95), (0.8, 0.7), (0.9, 0.5))
"""Share of the time at which a load begins; crosses them all."""
GENERATED_RUNS = 68
"""As many as the recorded ones they stand in for."""


@dataclass(frozen=True)
class Case:
    """One run of the simulator; ``load`` is in capacities, "day" crosses all of them."""

    replicas: int
    hours: float
    load: float | str
    seed: int
    routing: str = "wattline"
    admission: bool = True
    clock: str = "full"
    cap: str = "none"
    budget_watts: float | None = None
    shape: str = "perseus"
    shared: bool = True
    objective: float = 20.0
    consolidate_below: float = 0.5
    warm_up_hours: float = 0.0
    at_start: int = 0
    """Runs a replica that begin in the first minute beside the others, as a busy hour leaves them."""
    memory: float = 1.0
    """KV memory, in shares of what there is."""
    watched: bool = False
    """Whether to look at which replicas hold agents."""

    @property
    def key(self) -> str:
        return "_".join(str(value) for value in asdict(self).values())


def fleet(case: Case) -> Fleet:
    endpoints = tuple(
        Endpoint(name=f"r{i}", url=f"http://127.0.0.1:{8100 + i}", node=f"n{i // 2}", gpus=(f"GPU-{i}",))
        for i in range(case.replicas)
    )
    spec = InferencePoolSpec(
        model=MODEL,
        endpoints=endpoints,
        objective=Objective(tokens_per_second_per_agent_p5=case.objective),
        routing=Routing(consolidate_below=case.consolidate_below),
    )
    pool = InferencePool(metadata=Metadata(name="coder"), spec=spec)
    nodes = tuple(sorted({endpoint.node for endpoint in endpoints}))
    if case.budget_watts is None:
        return Fleet((), (pool,))
    watts = case.budget_watts
    box = PowerDomain(
        metadata=Metadata(name="box"), spec=PowerDomainSpec(nodes=nodes, budget=Budget(watts=watts))
    )
    return Fleet((box,), (pool,))


@cache
def recording(data: Path | None, *, shared: bool) -> Recording:
    """Return the recorded agents of a file or folder, or generated ones shaped like them."""
    if data is None:
        return generate(GENERATED_RUNS, 1, shared_prefix=shared)
    return traces.load(data, shared_prefix=shared)


def engines(memory: float) -> Mapping[tuple[str, str, int], EnginePhysics] | None:
    """Return the known engines with that share of the coder's KV memory; none where that is all of it."""
    if memory == 1.0:
        return None
    key = (MODEL, PRODUCT, 1)
    return {
        **ENGINES,
        key: replace(ENGINES[key], capacity_tokens=round(memory * ENGINES[key].capacity_tokens)),
    }


@cache
def alone_seconds(data: Path | None, *, shared: bool) -> Mapping[str, float]:
    """Return what each recorded run takes alone on an idle replica at full clocks: its tools and its own engine time."""
    case = Case(1, 0.01, 0.0, 0)
    out: dict[str, float] = {}
    for session in recording(data, shared=shared).sessions:
        for one in session.runs:
            played = simulate(
                Scenario(
                    fleet=fleet(case), pool="coder", arrivals=[Arrival(0.0, one)], hours=case.hours, product=PRODUCT,
                    admission=False, clock=None,
                )
            )  # fmt: skip
            out |= dict(played.runs)
    return out


@dataclass(slots=True)
class Watch:
    """Looks at which replicas hold agents; it moves nothing."""

    looks: int = 0
    waiting: int = 0
    """Times a replica held agents of which none was at its engine."""

    def __call__(self, _: float, pools: Mapping[str, PoolLook]) -> Iterable[Change]:
        """Look."""
        self.looks += 1
        for pool in pools.values():
            self.waiting += sum(one.resident_tokens > 0 and not one.running for one in pool.replicas.values())
        return ()


def run(case: Case, rate: float, data: Path | None) -> dict[str, float | int | None]:
    """Return the report of a case; arrivals depend on seed, load and size alone, so that every mode sees the same.

    ``rate`` is the capacity that the load is a share of, in runs per second. Beside the report's own figures stand the
    share of runs within 1.5 times what they take alone (``inside_ratio``) and, where the case is watched, the replicas
    that on average held agents of which none was at the engine (``replicas_waiting``).
    """
    rng = Random(case.seed)
    if case.load == "day":
        steps = [(at * case.hours * 3600, load * rate) for at, load in DAY]
        moments = arrivals.stepped(steps, case.hours, rng)
    else:
        moments = arrivals.poisson(float(case.load) * rate, case.hours, rng)
    if case.at_start:
        count = case.at_start * case.replicas
        moments = sorted([*moments, *(60.0 * index / count for index in range(count))])
    watch = Watch()
    clock = {"full": None, "wattline": "wattline"}.get(case.clock, case.clock)
    report = simulate(
        Scenario(
            fleet=fleet(case),
            pool="coder",
            arrivals=arrivals.schedule(recording(data, shared=case.shared), moments, rng),
            hours=case.hours,
            product=PRODUCT,
            routing=Mode(case.routing),
            admission=case.admission,
            clock=int(clock) if clock is not None and clock.isdecimal() else clock,
            cap=case.cap,
            shape=SHAPES[case.shape],
            seed=case.seed,
            warm_up_hours=case.warm_up_hours,
            engines=engines(case.memory),
            steer=(lambda: watch) if case.watched else None,
        )
    )
    alone = alone_seconds(data, shared=case.shared)
    inside = [seconds <= 1.5 * alone[name.rsplit("#", 1)[0]] for name, seconds in report.runs]
    return {
        **report.flat(),
        "inside_ratio": sum(inside) / len(inside) if inside else None,
        "replicas_waiting": watch.waiting / watch.looks if watch.looks else None,
    }
