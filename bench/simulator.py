"""How fast the simulator is: a stream of turns, and a thousand GPUs for an hour.

    .venv/bin/python bench/simulator.py stream [--turns 1000000] [--replicas 16] [--rate 0.04]
    .venv/bin/python bench/simulator.py fleet [--gpus 1000] [--hours 1] [--rate 0.005]

Both run generated agents (``wattline.sim.generate``: 13,200-token opening, about 55 turns a run) on
one-GPU H200 replicas of Qwen3-Coder-30B-A3B, eight to a node and at most fifty to a pool, with the policies on: clocks,
admission, routing; ``fleet`` also shares the watts of a tree of domains that allows 55 % of what the GPUs could draw.
``--rate`` is runs per second and replica: at 0.04 a replica serves two turns a second in the long run, at 0.005 a quarter
of one. ``--clock`` and ``--cap`` put policies on and off, ``--profile`` prints where the time goes.
"""

import argparse
import cProfile
import pstats
import resource
import sys
import time
from collections.abc import Iterator
from itertools import count, islice
from math import inf
from random import Random

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.model.runs import Arrival
from wattline.sim.generate import generate
from wattline.sim.recording import again
from wattline.sim.scenario import Scenario, Served
from wattline.sim.simulate import simulate
from wattline.world.gpu import PRODUCTS

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
GPUS_PER_NODE = 8
NODES_PER_ROW = 16
REPLICAS_PER_POOL = 50
SHARE_OF_MAXIMUM = 0.55
"""Of what the GPUs could draw, what the root domain allows."""
RUNS = 68
"""Different runs; they are played again and again, each time with tokens of their own."""


def fleet(gpus: int, max_watts: float) -> Fleet:
    """Return one-GPU replicas under rows of nodes under one site."""
    endpoints = tuple(
        Endpoint(
            name=f"r{i:04d}",
            url=f"http://127.0.0.1:{10000 + i}",
            node=f"n{i // GPUS_PER_NODE:03d}",
            gpus=(f"GPU-{i:04d}",),
        )
        for i in range(gpus)
    )
    nodes = sorted({endpoint.node for endpoint in endpoints})
    watts = gpus * max_watts * SHARE_OF_MAXIMUM
    rows = [nodes[at : at + NODES_PER_ROW] for at in range(0, len(nodes), NODES_PER_ROW)]
    site = PowerDomain(
        metadata=Metadata(name="site"), spec=PowerDomainSpec(nodes=(), budget=Budget(watts=watts))
    )
    domains = [site] + [
        PowerDomain(
            metadata=Metadata(name=f"row{index}"),
            spec=PowerDomainSpec(
                nodes=tuple(row), parent="site", budget=Budget(watts=1.2 * watts * len(row) / len(nodes))
            ),
        )
        for index, row in enumerate(rows)
    ]
    pools = tuple(
        InferencePool(
            metadata=Metadata(name=f"coder-{at // REPLICAS_PER_POOL:02d}"),
            spec=InferencePoolSpec(model=MODEL, endpoints=endpoints[at : at + REPLICAS_PER_POOL]),
        )
        for at in range(0, gpus, REPLICAS_PER_POOL)
    )
    return Fleet(tuple(domains), pools)


class Agents:
    """Arrivals that are made while they are asked for; none of them is kept here."""

    def __init__(self, rate_per_second: float, seed: int, *, turns: float = inf, hours: float = inf) -> None:
        self.rate_per_second, self.seed, self.turns, self.hours = rate_per_second, seed, turns, hours
        self.sessions = generate(RUNS, seed).sessions
        lengths = [len(session.runs[0].turns) for session in self.sessions]
        self.count, self.seconds, offered = 0, 0.0, 0
        """How many there are, and when the last one comes."""
        for at, index, _ in self.moments():
            self.count, self.seconds = self.count + 1, at
            offered += lengths[index]
            if offered >= turns:
                break

    def moments(self) -> Iterator[tuple[float, int, int]]:
        """Yield when a run starts, which one it is, and how often it was played before."""
        rng, deal = Random(self.seed), Random(self.seed + 1)
        order = list(range(len(self.sessions)))
        at = 0.0
        for play in count():
            deal.shuffle(order)
            for index in order:
                at += rng.expovariate(self.rate_per_second)
                if at >= self.hours * 3600:
                    return
                yield at, index, play

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Arrival]:
        for at, index, play in islice(self.moments(), self.count):
            yield Arrival(at, again(self.sessions[index], play).runs[0])


def scenario(asked: argparse.Namespace) -> Scenario:
    replicas = asked.gpus if asked.what == "fleet" else asked.replicas
    declared = fleet(replicas, PRODUCTS["h200"].max_watts)
    count = len(declared.pools)
    bounds = {"hours": asked.hours} if asked.what == "fleet" else {"turns": asked.turns / count}
    played = {
        pool.metadata.name: Agents(asked.rate * len(pool.spec.endpoints), asked.seed + 2 * at, **bounds)
        for at, pool in enumerate(declared.pools)
    }
    return Scenario(
        fleet=declared if asked.cap != "none" else Fleet((), declared.pools),
        served=tuple(
            Served(name, list(arrivals) if asked.at_once else arrivals) for name, arrivals in played.items()
        ),
        hours=asked.hours
        if asked.what == "fleet"
        else max(arrivals.seconds for arrivals in played.values()) / 3600,
        product="h200",
        clock={"full": None}.get(asked.clock, asked.clock),
        cap=asked.cap,
        seed=asked.seed,
        drain_hours=0.0 if asked.what == "fleet" else 48.0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_subparsers(dest="what", required=True)
    stream = what.add_parser("stream", help="a stream of turns")
    stream.add_argument("--turns", type=int, default=1_000_000)
    stream.add_argument("--replicas", type=int, default=16)
    stream.add_argument("--rate", type=float, default=0.04, help="runs per second and replica")
    big = what.add_parser("fleet", help="many GPUs for a while")
    big.add_argument("--gpus", type=int, default=1000)
    big.add_argument("--hours", type=float, default=1.0)
    big.add_argument("--rate", type=float, default=0.005, help="runs per second and replica")
    for each, cap in ((stream, "none"), (big, "wattline")):
        each.add_argument("--clock", choices=["full", "wattline"], default="wattline")
        each.add_argument("--cap", choices=["none", "uniform", "wattline"], default=cap)
        each.add_argument("--seed", type=int, default=1)
        each.add_argument("--at-once", action="store_true", help="give all arrivals as one list")
        each.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    profile = cProfile.Profile()
    started = time.process_time()
    if asked.profile:
        profile.enable()
    report = simulate(scenario(asked))
    profile.disable()
    spent = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{report.turns:,} turns of {report.runs_offered:,} runs in {report.seconds / 3600:.2f} simulated hours: "
        f"{spent:.1f} s of CPU, {1e6 * spent / max(report.turns, 1):.0f} us a turn, "
        f"{1e6 * spent / report.seconds / (asked.gpus if asked.what == 'fleet' else asked.replicas):.0f} us a replica and "
        f"simulated second; {peak:.0f} MiB at most; {report.turns_held:,} turns held, "
        f"{report.recomputed_ratio:.1%} recomputed, {report.mean_watts:,.0f} W"
    )
    if asked.profile:
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
