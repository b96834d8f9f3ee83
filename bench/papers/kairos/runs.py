"""One run of the simulator, as the house's experiment defines it: agents, arrivals, the fleet and its policies."""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from random import Random

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec, Objective, Routing
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.policy.route import Mode
from wattline.sim import arrivals, traces
from wattline.sim.generate import generate
from wattline.sim.recording import Recording
from wattline.sim.scenario import Scenario
from wattline.sim.simulate import simulate
from wattline.world.curve import SHAPES

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
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


def run(case: Case, rate: float, data: Path | None) -> dict[str, float | int | None]:
    """Return the report of a case; arrivals depend on seed, load and size alone, so that every mode sees the same.

    ``rate`` is the capacity that the load is a share of, in runs per second.
    """
    rng = Random(case.seed)
    if case.load == "day":
        steps = [(at * case.hours * 3600, load * rate) for at, load in DAY]
        moments = arrivals.stepped(steps, case.hours, rng)
    else:
        moments = arrivals.poisson(float(case.load) * rate, case.hours, rng)
    clock = {"full": None, "wattline": "wattline"}.get(case.clock, case.clock)
    report = simulate(
        Scenario(
            fleet=fleet(case),
            pool="coder",
            arrivals=arrivals.schedule(recording(data, shared=case.shared), moments, rng),
            hours=case.hours,
            product="h100-nvl",
            routing=Mode(case.routing),
            admission=case.admission,
            clock=int(clock) if clock is not None and clock.isdecimal() else clock,
            cap=case.cap,
            shape=SHAPES[case.shape],
            seed=case.seed,
            warm_up_hours=case.warm_up_hours,
        )
    )
    return report.flat()
