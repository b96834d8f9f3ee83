"""Unknown physics: does the clock find the cheapest one in worlds that nobody measured, from readings alone?

    .venv/bin/python bench/unknown_physics.py [--worlds 20] [--seed 1] [--load 0.5] [--hours 2] [--jobs 2]

Each world draws the power law, the crossover and the size of contexts (wattline/world/drawn.py). Two replicas serve
generated agents; the first half hour counts for nothing. "Best" is the constant clock with the least joules per finished run
of those that finish every run and keep the objective, found in hindsight over a grid of one hundred MHz or so.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.model.fleet import Fleet
from wattline.sim import arrivals
from wattline.sim.generate import generate
from wattline.sim.report import Report
from wattline.sim.scenario import Scenario
from wattline.sim.simulate import simulate
from wattline.world.drawn import Drawn, drawn
from wattline.world.engines import ENGINES

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8"
OBJECTIVE = 20.0
WARM_UP_HOURS = 0.5
CLOCKS = (None, 1800, 1620, 1440, 1320, 1200, 1080, 960, 840, 720, 600)
REPLICAS = 2
PRODUCT = "h100"


@dataclass(frozen=True)
class Case:
    world: int
    seed: int
    runs_per_second: float
    hours: float
    clock: int | str | None


def world(case: Case) -> Drawn:
    return drawn(ENGINES[MODEL, PRODUCT, 1], Random(f"{case.seed}/{case.world}"))


def run(case: Case) -> Report:
    here = world(case)
    endpoints = tuple(
        Endpoint(name=f"r{i}", url=f"http://127.0.0.1:{8100 + i}", node="n0", gpus=(f"GPU-{i}",))
        for i in range(REPLICAS)
    )
    pool = InferencePool(
        metadata=Metadata(name="coder"), spec=InferencePoolSpec(model=MODEL, endpoints=endpoints)
    )
    rng = Random(f"{case.seed}/{case.world}/arrivals")
    moments = arrivals.poisson(case.runs_per_second, case.hours, rng)
    return simulate(
        Scenario(
            fleet=Fleet((), (pool,)),
            pool="coder",
            arrivals=tuple(arrivals.schedule(generate(68, case.seed), moments, rng)),
            hours=case.hours,
            product=PRODUCT,
            clock=case.clock,
            shape=here.shape,
            engines=MappingProxyType({(MODEL, PRODUCT, 1): here.physics}),
            seed=case.seed,
            warm_up_hours=WARM_UP_HOURS,
        )
    )


def capacity(case: Case) -> float:
    """Return runs per second at full clocks when there is always one waiting."""
    report = run(replace(case, runs_per_second=0.1 * REPLICAS, hours=1.5, clock=None))
    return report.runs_finished / report.seconds


def joules(report: Report) -> float:
    return report.joules_per_finished_run or float("inf")


def kept(report: Report) -> bool:
    return (report.tokens_per_second_per_agent_p5 or 0.0) >= OBJECTIVE


def line(pool: ProcessPoolExecutor, number: int, options: argparse.Namespace) -> tuple[float, bool, str]:
    case = Case(number, options.seed, 0.0, options.hours, None)
    case = replace(case, runs_per_second=options.load * pool.submit(capacity, case).result())
    reports = list(pool.map(run, [replace(case, clock=clock) for clock in (*CLOCKS, "wattline")]))
    constant, ours = dict(zip(CLOCKS, reports, strict=False)), reports[-1]
    allowed = {c: r for c, r in constant.items() if kept(r)} or {None: constant[None]}
    best = min(allowed, key=lambda clock: joules(allowed[clock]))
    regret = joules(ours) / joules(allowed[best]) - 1
    possible = kept(constant[None])
    broken = possible and not kept(ours)
    here = world(case)
    return (
        regret,
        broken,
        (
            f"| {number} | {here.exponent:.2f} | {here.independent_share:.0%} | {here.crossover:.2f} | {here.kv_ratio:.2f} "
            f"| {best or 'full'} | {ours.mean_clock_mhz:.0f} | {100 * regret:+.1f} % "
            f"| {100 * (1 - joules(ours) / joules(constant[None])):.1f} % "
            f"| {ours.tokens_per_second_per_agent_p5:.1f} of {constant[None].tokens_per_second_per_agent_p5:.1f} at full "
            f"| {'BROKEN' if broken else 'kept' if possible else 'not even at full'} |"
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load", type=float, default=0.5, help="share of the world's own capacity")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print(
        "| world | exponent | independent | crossover | KV | best constant MHz | ours, mean | against the best "
        "| saved against full | P5 tok/s | objective |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    near = broken = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        for number in range(options.worlds):
            regret, failed, told = line(pool, number, options)
            near += regret <= 0.05
            broken += failed
            print(told, flush=True)
    print(f"\n{near} of {options.worlds} within 5 % of the best constant clock; objective broken in {broken}")


if __name__ == "__main__":
    main()
