"""Implementation equivalence: one trace through the real gateway, node agent and fake engines at speed 1, and through the simulator.

    .venv/bin/python bench/equivalence.py [--seconds 600] [--replicas 4] [--seed 7] [--speed 1]

Both sides have the same model of engines and GPUs, so what differs is what stands around it: HTTP, processes, polling and the
wall clock against an event queue. Two plans: full clocks with affinity and no admission, and everything of Wattline under
three quarters of the first one's peak. Short runs arrive early, so that both sides finish the same ones.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, Mode, PowerDomain, PowerDomainSpec
from wattline.demo import fleet as fleets
from wattline.demo.result import PassResult
from wattline.demo.runs import Load, choose
from wattline.demo.stage import Plan, Setting, Stage
from wattline.fake.nvml import library
from wattline.model.fleet import Fleet, full_name
from wattline.model.runs import Run
from wattline.policy.route import Mode as Routing
from wattline.sim.rates import quantile
from wattline.sim.report import Report
from wattline.sim.scenario import Scenario
from wattline.sim.simulate import simulate

MODEL = "Qwen/Qwen3-14B"
PRODUCT = "h100"
BUDGET_OF_PEAK = 0.75
TOKENS_PER_SECOND_ALONE = 60.0
NEAR_RATIO = 0.05
NEAR_SECONDS = 0.05


@dataclass(frozen=True)
class Row:
    """One quantity on both sides."""

    name: str
    real: float
    simulated: float
    near_seconds: float = 0.0

    @property
    def near(self) -> bool:
        apart = abs(self.real - self.simulated)
        return apart <= max(NEAR_RATIO * abs(self.real), self.near_seconds)

    def line(self) -> str:
        apart = f"{100 * (self.simulated / self.real - 1):+.1f} %" if self.real else "–"
        return f"| {self.name} | {self.real:,.3f} | {self.simulated:,.3f} | {apart} | {'yes' if self.near else 'NO'} |"


def box(replicas: int) -> Fleet:
    endpoints = tuple(
        Endpoint(name=f"r{i}", url=f"http://127.0.0.1:{8100 + i}", node="box", gpus=(f"GPU-{i}",))
        for i in range(replicas)
    )
    pool = InferencePool(
        metadata=Metadata(name="coder"), spec=InferencePoolSpec(model=MODEL, endpoints=endpoints)
    )
    domain = PowerDomain(
        metadata=Metadata(name="box"),
        spec=PowerDomainSpec(nodes=("box",), budget=Budget(watts=700.0 * replicas)),
    )
    return Fleet((domain,), (pool,))


def simulated(setting: Setting, load: Load, plan: Plan, seconds: float) -> Report:
    declared = fleets.ordered(setting.fleet, plan.mode, plan.budget_watts)
    ours = plan.mode is Mode.ENFORCE
    return simulate(
        Scenario(
            declared,
            full_name(declared.pools[0]),
            load.arrivals,
            seconds / 3600,
            product=PRODUCT,
            routing=Routing(plan.routing),
            admission=plan.admission == "on",
            clock="wattline" if ours else None,
            cap="wattline" if ours else "none",
            seed=setting.seed,
            drain_hours=0.0,
            watch_watts=True,
        )
    )


def rows(real: PassResult, report: Report, joules: float) -> Sequence[Row]:
    first = [turn.first_token_seconds - turn.requested_seconds for run in real.outcomes for turn in run.turns]
    done = real.run_seconds
    return (
        Row("runs done", real.runs_done, report.runs_finished),
        Row("run time, mean s", fmean(done), report.run_seconds_mean or 0.0),
        Row("run time, P95 s", quantile(done, 0.95) or 0.0, report.run_seconds_p95 or 0.0),
        Row("joules", real.joules, joules),
        Row("TTFT, P50 s", quantile(first, 0.5) or 0.0, report.ttft_seconds_p50 or 0.0, NEAR_SECONDS),
        Row("TTFT, P99 s", quantile(first, 0.99) or 0.0, report.ttft_seconds_p99 or 0.0, NEAR_SECONDS),
        Row("peak watts", real.peak_watts, report.peak_watts or 0.0),
    )


def show(plan: Plan, setting: Setting, load: Load) -> tuple[PassResult, int]:
    real = asyncio.run(Stage(plan, setting, load).play(lambda _: None))
    same = simulated(setting, load, plan, len(real.seconds))  # the real pass ends with its last run
    table = rows(real, simulated(setting, load, plan, setting.longest_seconds), same.joules)
    print(f"\n**{plan.name}** (node loops at most {real.late_seconds:.2f} s late in 95 of 100 seconds)\n")
    print("| | real processes | simulator | apart | within 5 % or 50 ms |\n|---|---|---|---|---|")
    print("\n".join(row.line() for row in table), flush=True)
    return real, sum(not row.near for row in table)


def short(options: argparse.Namespace) -> Load:
    """Return runs that end well within the time, so that both sides finish the same ones."""
    load = choose(
        None, options.seed, arrive_within_seconds=0.4 * options.seconds, longest_tokens=100_000, runs=1000
    )
    kept = [arrival for arrival in load.arrivals if alone_seconds(arrival.run) < 0.35 * options.seconds]
    picked = Random(options.seed).sample(kept, min(options.runs, len(kept)))
    return Load(tuple(sorted(picked, key=lambda arrival: arrival.at_seconds)), load.source)


def alone_seconds(run: Run) -> float:
    """Return about how long a run takes on an engine of its own."""
    return sum(turn.gap_seconds + turn.output.tokens / TOKENS_PER_SECOND_ALONE for turn in run.turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="world seconds of each plan")
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args()
    fleet = box(options.replicas)
    with tempfile.TemporaryDirectory(prefix="wattline-equivalence-") as work:
        setting = Setting(
            Path(work), fleet, Path(work) / "lib", PRODUCT, options.speed, options.seed, options.seconds
        )
        library.build(setting.library)
        load = short(options)
        print(
            f"{len(load.arrivals)} {load.source}, {load.turns:,} turns, {options.replicas} × {MODEL} on {PRODUCT}, speed {options.speed:g}"
        )
        full, apart = show(Plan("full clocks", routing="affinity", admission="off"), setting, load)
        budget = BUDGET_OF_PEAK * full.peak_watts
        ours = Plan("wattline", "wattline", "on", mode=Mode.ENFORCE, budget_watts=budget)
        print(f"\n{apart + show(ours, setting, load)[1]} quantities further apart")


if __name__ == "__main__":
    main()
