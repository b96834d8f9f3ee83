"""The study world's runs, by rules, load and seed."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from statistics import fmean

from bench.papers.saga.cluster import ABLATIONS, LADDER, PHYSICS, Cluster
from bench.papers.saga.frozen import replayed
from bench.papers.saga.workload import Task, stream
from bench.papers.study import Bench, Json

from wattline.sim.arrivals import poisson

RULES = LADDER | ABLATIONS
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Case:
    """One run: so many tasks at once on a worker, or arrivals at a rate per worker."""

    rules: str
    workers: int
    seed: int
    hours: float
    warm_up_hours: float
    at_once: int = 0
    rate: float = 0.0
    variation: float | None = None
    data: str | None = None
    memory: float = 1.0
    """KV memory, in shares of what there is."""


def played(case: Case) -> Json:
    """Return what comes of a case."""
    cluster = _cluster(case)
    outcome = cluster.run()
    computed = sum(worker.computed_tokens for worker in cluster.workers)
    again = sum(worker.again_tokens for worker in cluster.workers)
    busy = sum(worker.busy_seconds for worker in cluster.workers)
    seconds = sorted(outcome.seconds)
    measured = 3600 * (case.hours - case.warm_up_hours)
    return {
        "mean": fmean(seconds) if seconds else 0.0,
        "quantiles": [seconds[int(share * (len(seconds) - 1))] for share in SHARES] if seconds else [],
        "inside": 100 * sum(ratio <= 1.5 for ratio in outcome.ratios) / max(1, len(outcome.ratios)),
        "tasks": len(seconds),
        "unfinished": outcome.unfinished,
        "per_second": outcome.finished / measured / case.workers,
        "again": again / max(1, computed),
        "again_time": sum(worker.again_seconds for worker in cluster.workers) / max(1.0, busy),
        "live": outcome.live_ratio_sum / max(1, outcome.samples),
        "moves": outcome.moves,
        "held_right": 100 * outcome.held_right / max(1, outcome.held),
    }


def frozen(case: Case) -> Json:
    """Return the recomputed tokens of every rule on the accesses of the first worker."""
    return replayed(_cluster(case).run().accesses, _capacity(case))


def in_memory(data: str | None) -> int:
    """Return how many tasks' mean contexts fill a worker's memory."""
    tasks = _tasks(0, 300, data, None)
    sizes = [step.prompt_tokens + step.output_tokens for task in tasks for step in task.steps]
    return round(PHYSICS.capacity_tokens / fmean(sizes))


def _capacity(case: Case) -> int:
    return round(case.memory * PHYSICS.capacity_tokens)


@lru_cache(maxsize=4)
def _tasks(seed: int, count: int, data: str | None, variation: float | None) -> tuple[Task, ...]:
    return tuple(stream(seed, count, None if data is None else Path(data), variation))


def _cluster(case: Case) -> Cluster:
    moments = poisson(case.rate * case.workers, case.hours, Random(case.seed)) if case.rate else ()
    # With so many at once, no worker can take more than one new task every ten seconds.
    count = len(moments) or case.workers * (case.at_once + round(360 * case.hours))
    return Cluster(
        RULES[case.rules],
        case.workers,
        _tasks(case.seed, count, case.data, case.variation),
        moments=moments,
        at_once=case.at_once * case.workers,
        warm_up_seconds=3600 * case.warm_up_hours,
        end_seconds=3600 * case.hours,
        seed=case.seed,
        capacity_tokens=_capacity(case),
    )


class Runs:
    """Plays cases of the form's size."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.workers = bench.pick(ci=2, reduced=2, full=16)
        self.hours = bench.pick(ci=0.4, reduced=0.6, full=12.0)
        self.warm_up_hours = bench.pick(ci=0.15, reduced=0.2, full=1.0)
        self.seeds = list(bench.seeds())
        found = bench.data("agentic/agentcgroup_llm_calls.csv.gz")
        self.recorded = None if found is None else str(found)

    def case(self, rules: str, seed: int, **changed: object) -> Case:
        """Return a case."""
        return Case(rules, self.workers, seed, self.hours, self.warm_up_hours, **changed)  # type: ignore[arg-type]  # fields

    def of(self, wanted: dict[str, Case]) -> dict[str, list[Json]]:
        """Return the results of named cases, seed by seed, all of them played at once."""
        cases = [replace(case, seed=seed) for case in wanted.values() for seed in self.seeds]
        results = iter(self.bench.each(played, cases))
        return {name: [next(results) for _ in self.seeds] for name in wanted}

    def capacity(self, rules: str) -> tuple[float, int]:
        """Return the most tasks per second and worker that rules finish at any number at once, and that number."""
        most = self.bench.pick(ci=(24,), reduced=(20, 24), full=(12, 16, 20, 24, 28, 32))
        hours = self.bench.pick(ci=0.6, reduced=0.75, full=3.0)
        cases = [Case(rules, 2, 0, hours, 0.25, at_once=at_once) for at_once in most]
        found = zip((result["per_second"] for result in self.bench.each(played, cases)), most, strict=True)
        return max(found)
