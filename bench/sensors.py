"""What it changes that policies see late and in whole degrees: recorded agents with real and with exact sensors.

    .venv/bin/python -m bench.sensors DATA [--cache FOLDER]

DATA is the folder of the recorded runs (agentcgroup_llm_calls.csv.gz). A load is a share of the capacity that
`bench.experiment` measures, which is kept in the cache. Prints the table of docs/explanation/simulated-fleet.md; three
minutes on one core.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.experiment import Bench
from bench.papers.kairos.runs import PRODUCT, Case, fleet, recording

from wattline.sim import arrivals
from wattline.sim.changes import InletChange
from wattline.sim.scenario import Scenario
from wattline.sim.sensors import EXACT, REAL, Sensors
from wattline.sim.simulate import simulate

SEEDS = (1, 2, 3)
HOT = InletChange(600.0, 60.0)
PERCENT = {
    "joules per run": "joules_per_finished_run",
    "mean watts": "mean_watts",
    "run time, mean": "run_seconds_mean",
    "tok/s of slow agents (P5)": "tokens_per_second_per_agent_p5",
    "first token, P99": "ttft_seconds_p99",
    "mean clock": "mean_clock_mhz",
}
SECONDS = {"over budget": "over_budget_seconds", "throttled": "throttle_seconds"}

Figures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """One scenario of the table."""

    name: str
    case: Case
    changes: tuple[InletChange, ...] = ()


ROWS = (
    Row("one replica, load 0.5, 2 h", Case(1, 2.0, 0.5, 0)),
    Row(
        "four replicas, load 0.95, budget 1,000 W, 1 h",
        Case(4, 1.0, 0.95, 0, cap="wattline", budget_watts=1000.0),
    ),
    Row("two replicas, load 0.9, 60 °C air after 10 min, 1 h", Case(2, 1.0, 0.9, 0), (HOT,)),
)


def play(row: Row, seed: int, rate: float, data: Path, sensors: Sensors) -> Figures:
    """Return the figures of one run; what is not there is 0."""
    case, rng = row.case, Random(seed)
    moments = arrivals.poisson(rate, case.hours, rng)
    report = simulate(
        Scenario(
            fleet=fleet(case),
            pool="coder",
            arrivals=arrivals.schedule(recording(data, shared=True), moments, rng),
            hours=case.hours,
            product=PRODUCT,
            cap="wattline" if case.budget_watts else "none",
            seed=seed,
            sensors=sensors,
            changes=row.changes,
        )
    ).flat()
    return {key: float(report[key] or 0.0) for key in (*PERCENT.values(), *SECONDS.values())}


def cell(pairs: list[tuple[Figures, Figures]], key: str) -> str:
    """Return by how much a figure differs with real sensors, seed by seed; both figures where one of them is 0."""
    if all(real[key] == exact[key] == 0.0 for real, exact in pairs):
        return "0 s" if key in SECONDS.values() else "none"
    if key in SECONDS.values():
        return ", ".join(f"{exact[key]:.0f} → {real[key]:.0f}" for real, exact in pairs) + " s"
    return ", ".join(
        f"{100 * (real[key] / exact[key] - 1):+.1f} %"
        if real[key] and exact[key]
        else f"{exact[key]:.0f} → {real[key]:.0f}"
        for real, exact in pairs
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".experiment"))
    asked = parser.parse_args()
    bench = Bench(asked.data, asked.cache, jobs=1)
    print("| scenario |", " | ".join((*PERCENT, *SECONDS)), "|")
    print("|---" * (1 + len(PERCENT) + len(SECONDS)) + "|")
    for row in ROWS:
        rate = float(row.case.load) * bench.capacity(row.case.replicas)
        pairs = [
            (play(row, seed, rate, asked.data, REAL), play(row, seed, rate, asked.data, EXACT))
            for seed in SEEDS
        ]
        cells = [cell(pairs, key) for key in (*PERCENT.values(), *SECONDS.values())]
        print(f"| {row.name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
