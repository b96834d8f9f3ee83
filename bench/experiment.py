"""The experiment of docs/experiment.md: recorded agents under every combination of policies that says something.

    .venv/bin/python -m bench.experiment DATA [--part PART ...] [--seeds 5] [--jobs 2] [--cache FOLDER]

DATA is the folder of the recorded runs (agentcgroup_llm_calls.csv.gz). Every run's result is kept in the cache, so
an interrupted experiment goes on where it was, and a part can be run alone. Prints markdown tables.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from bench.papers.kairos.runs import Case, run

from wattline.study.intervals import interval

LOADS = (0.5, 0.7, 0.9, 0.95, 1.1)
CLOCKS = ("full", "1050", "900", "750", "wattline")
OBJECTIVE = 20.0
BASELINE = "full, no admission, affinity"
"""The paper's."""


class Bench:
    """Runs cases, two at a time, and remembers what came of them."""

    def __init__(self, data: Path, cache: Path, jobs: int) -> None:
        self.data, self.cache, self.jobs = data, cache, jobs
        cache.mkdir(parents=True, exist_ok=True)

    def capacity(self, replicas: int, *, shared: bool = True) -> float:
        """Return runs per second at full clocks with affinity and our admission, when there is always one waiting."""
        case = Case(replicas, 4.0, 1.0, 1, routing="affinity", shared=shared)
        saved = self.cache / f"capacity_{replicas}_{shared}.json"
        if not saved.exists():
            report = run(case, 0.05 * replicas, self.data)
            saved.write_text(json.dumps(report["runs_finished"] / report["seconds"]))
        return float(json.loads(saved.read_text()))

    def all(self, cases: Iterable[Case]) -> dict[Case, dict[str, float]]:
        wanted = list(dict.fromkeys(cases))
        rates = {(c.replicas, c.shared): self.capacity(c.replicas, shared=c.shared) for c in wanted}
        missing = [c for c in wanted if not self._file(c).exists()]
        with ProcessPoolExecutor(self.jobs) as pool:
            futures = {pool.submit(run, c, rates[c.replicas, c.shared], self.data): c for c in missing}
            for done, future in enumerate(as_completed(futures), start=1):
                case = futures[future]
                self._file(case).write_text(json.dumps(future.result()))
                print(f"{done}/{len(missing)} {case.key}", file=sys.stderr, flush=True)
        return {case: json.loads(self._file(case).read_text()) for case in wanted}

    def _file(self, case: Case) -> Path:
        return self.cache / f"{case.key}.json"


def mean(values: list[float]) -> tuple[float, float]:
    """Return the mean and half of its 95 % interval."""
    of = interval(values)
    return of.mean, math.nan if of.half is None else of.half


def told(pair: tuple[float, float], digits: int = 2) -> str:
    return f"{pair[0]:.{digits}f} ± {pair[1]:.{digits}f}"


def line(name: str, reports: list[dict[str, float]], base: list[dict[str, float]] | None) -> str:
    def column(key: str, scale: float = 1.0) -> list[float]:
        return [(report[key] or 0.0) * scale for report in reports]

    joules = column("joules_per_finished_run", 1e-3)
    saved = "–"
    if base is not None and base is not reports:
        pairs = [
            100 * (1 - mine["joules_per_finished_run"] / other["joules_per_finished_run"])
            for mine, other in zip(reports, base, strict=True)
        ]
        saved = told(mean(pairs), 1) + " %"
    per_hour = [r["runs_finished"] / r["seconds"] * 3600 for r in reports]
    done = sum(r["runs_finished"] for r in reports) / sum(r["runs_offered"] for r in reports)
    return (
        f"| {name} | {told(mean(joules))} | {saved} | {mean(column('mean_watts'))[0]:.0f} "
        f"| {mean(column('tokens_per_second_per_agent_p5'))[0]:.1f} | {mean(column('ttft_seconds_p99'))[0]:.1f} "
        f"| {mean(column('run_seconds_mean'))[0]:.0f} | {mean(column('recomputed_ratio'))[0]:.3f} "
        f"| {mean(per_hour)[0]:.1f} | {100 * done:.0f} % | {mean(column('over_budget_seconds'))[0]:.0f} |"
    )


HEAD = (
    "| mode | kJ per run | saved | W | P5 tok/s | TTFT p99 s | run s | recomputed | runs/h | finished | over budget s |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def table(title: str, modes: dict[str, Case], seeds: int, bench: Bench, base: str) -> Iterator[str]:
    """Yield a table of modes over seeds; savings are seed by seed against ``base``."""
    yield f"\n**{title}**\n\n{HEAD}"
    results = bench.all(replace(case, seed=seed) for seed in range(1, seeds + 1) for case in modes.values())

    def of(name: str) -> list[dict[str, float]]:
        return [results[replace(modes[name], seed=seed)] for seed in range(1, seeds + 1)]

    for name in modes:
        yield line(name, of(name), of(base))
    constant = {n: of(n) for n, c in modes.items() if c.clock != "wattline" and c.admission}
    meets = [
        n
        for n, r in constant.items()
        if all((x["tokens_per_second_per_agent_p5"] or 0) >= OBJECTIVE for x in r)
    ]
    pool = meets or list(constant)
    best = min(pool, key=lambda n: statistics.mean(x["joules_per_finished_run"] for x in constant[n]))
    for name, case in modes.items():
        if case.clock == "wattline":
            worse = [
                100 * (a["joules_per_finished_run"] / b["joules_per_finished_run"] - 1)
                for a, b in zip(of(name), constant[best], strict=True)
            ]
            met = "that meets P5" if meets else "(none meets P5 in every seed)"
            yield f"\n{name} against the cheapest constant clock {met}, {best}: {told(mean(worse))} %"


def clocks(replicas: int, hours: float, load: float | str, **more: object) -> dict[str, Case]:
    base = Case(replicas, hours, load, 0, **more)
    modes = {BASELINE: replace(base, routing="affinity", admission=False)}
    return modes | {name: replace(base, clock=name) for name in CLOCKS}


def parts(bench: Bench, seeds: int) -> dict[str, Iterator[str]]:
    """Return every part by name; nothing runs before it is asked for."""

    def loads(replicas: int, hours: float, base: str = BASELINE) -> Iterator[str]:
        for load in LOADS:
            rate = bench.capacity(replicas) * load
            modes = clocks(replicas, hours, load)
            if base != BASELINE:
                del modes[BASELINE]
            title = f"{replicas} replicas, load {load} ({rate:.4f} runs/s), {hours:g} h"
            yield from table(title, modes, seeds, bench, base)

    def day(replicas: int, hours: float) -> Iterator[str]:
        modes = clocks(replicas, hours, "day")
        yield from table(f"{replicas} replicas, {hours:g} h across all loads", modes, seeds, bench, "full")

    def shapes() -> Iterator[str]:
        for shape in ("linear", "flat"):
            modes = clocks(1, 4.0, 0.5, shape=shape)
            title = f"1 replica, shape {shape}, load 0.5, 4 h"
            yield from table(title, modes, seeds, bench, BASELINE)

    def unshared() -> Iterator[str]:
        modes = clocks(1, 4.0, 0.5, shared=False)
        title = "1 replica, no opening prompt shared, load 0.5, 4 h"
        yield from table(title, modes, seeds, bench, BASELINE)

    def routes() -> Iterator[str]:
        for load in (0.7, 0.95):
            base = Case(4, 4.0, load, 0)
            modes = {
                "round-robin, admission off": replace(base, routing="round-robin", admission=False),
                "affinity, admission off": replace(base, routing="affinity", admission=False),
                "affinity, admission on": replace(base, routing="affinity"),
                "wattline, admission on": base,
                "wattline, admission on, clock wattline": replace(base, clock="wattline"),
            }
            title = f"4 replicas, load {load}, 4 h: admission, routing, clocks apart"
            yield from table(title, modes, seeds, bench, "affinity, admission on")

    def caps() -> Iterator[str]:
        for load in (0.95, 1.1):
            peak = bench.all([Case(4, 4.0, load, 1, routing="affinity", budget_watts=1e6)])
            budget = round(0.75 * max(report["peak_watts"] for report in peak.values()))
            base = Case(4, 4.0, load, 0, budget_watts=float(budget))
            modes = {
                "no cap, full": base,
                "uniform cap, full": replace(base, cap="uniform"),
                "wattline cap, full": replace(base, cap="wattline"),
                "uniform cap, clock wattline": replace(base, cap="uniform", clock="wattline"),
                "wattline cap, clock wattline": replace(base, cap="wattline", clock="wattline"),
            }
            title = f"4 replicas, load {load}, 4 h, budget {budget} W = 0.75 × peak"
            yield from table(title, modes, seeds, bench, "uniform cap, full")

    return {
        "loads4": loads(4, 4.0),
        "day4": day(4, 4.0),
        "caps": caps(),
        "routes": routes(),
        "loads1": loads(
            1, 12.0, base="full"
        ),  # the paper's baseline thrashes for good on one replica: see day1
        "day1": day(1, 12.0),
        "shapes": shapes(),
        "unshared": unshared(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", action="append", help="default: all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path(".experiment"))
    asked = parser.parse_args()
    bench = Bench(asked.data, asked.cache, asked.jobs)
    known = parts(bench, asked.seeds)
    for part in asked.part or known:
        for text in known[part]:
            print(text, flush=True)


if __name__ == "__main__":
    main()
