"""The study world's runs, by rules, load and seed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from random import Random
from statistics import fmean

from bench.papers.saga.cluster import PHYSICS, Cluster
from bench.papers.saga.frozen import replayed
from bench.papers.saga.rules import ABLATIONS, LADDER, PROBES
from bench.papers.saga.workload import Stream
from bench.papers.study import Bench, Json, varied

from wattline.sim.arrivals import poisson

BASE = "prefix-LRU"
RULES = LADDER | ABLATIONS | PROBES
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
    under_way: int = 0
    """Tasks a worker that are under way at the beginning."""


def played(case: Case) -> Json:
    """Return what comes of a case."""
    cluster = _cluster(case)
    outcome = cluster.run()
    computed = sum(worker.computed_tokens for worker in cluster.workers)
    again = sum(worker.again_tokens for worker in cluster.workers)
    busy = sum(worker.busy_seconds for worker in cluster.workers)
    seconds, ratios = sorted(outcome.seconds), [ratio for ratio in outcome.ratios if isfinite(ratio)]
    measured = 3600 * (case.hours - case.warm_up_hours)
    return {
        "mean": fmean(seconds) if seconds else 0.0,
        "quantiles": [seconds[int(share * (len(seconds) - 1))] for share in SHARES] if seconds else [],
        "inside": 100 * sum(ratio <= 1.5 for ratio in outcome.ratios) / max(1, len(outcome.ratios)),
        "ratio": fmean(ratios) if ratios else 0.0,
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
    tasks = _stream(0, data, None).first(300)
    sizes = [step.prompt_tokens + step.output_tokens for task in tasks for step in task.steps]
    return round(PHYSICS.capacity_tokens / fmean(sizes))


def _capacity(case: Case) -> int:
    return round(case.memory * PHYSICS.capacity_tokens)


@lru_cache(maxsize=2)
def _stream(seed: int, data: str | None, variation: float | None) -> Stream:
    return Stream(seed, None if data is None else Path(data), variation)


def _cluster(case: Case) -> Cluster:
    moments = poisson(case.rate * case.workers, case.hours, Random(case.seed)) if case.rate else ()
    # With so many at once, no worker can take more than one new task every ten seconds.
    count = len(moments) or case.workers * (case.at_once + round(360 * case.hours))
    under_way = case.workers * case.under_way
    return Cluster(
        RULES[case.rules],
        case.workers,
        _stream(case.seed, case.data, case.variation).first(count + under_way),
        moments=moments,
        at_once=case.at_once * case.workers,
        under_way=under_way,
        warm_up_seconds=3600 * case.warm_up_hours,
        end_seconds=3600 * case.hours,
        seed=case.seed,
        capacity_tokens=_capacity(case),
    )


class Runs:
    """Plays cases of the form's size."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.workers = bench.pick(ci=2, reduced=2, full=4)
        self.hours = bench.pick(ci=1.0, reduced=2.0, full=6.0)
        self.warm_up_hours = bench.pick(ci=0.25, reduced=0.25, full=0.5)
        self.seeds = list(bench.seeds())
        self.few = self.seeds[:3]
        """Seeds of what only shows what carries a finding."""
        found = bench.data("agentic/agentcgroup_llm_calls.csv.gz")
        self.recorded = None if found is None else str(found)

    def case(self, rules: str, seed: int, **changed: object) -> Case:
        """Return a case."""
        case = Case(rules, self.workers, seed, self.hours, self.warm_up_hours)
        return varied(case, changed)

    def at(self, rules: str, load: float, **changed: object) -> Case:
        """Return a case at a share of the base's capacity, with as many tasks under way as that has on average."""
        most, at_once = self.capacity(BASE)
        return self.case(rules, 0, rate=load * most, under_way=round(load * at_once), **changed)

    def of(self, wanted: dict[str, Case], seeds: Sequence[int] | None = None) -> dict[str, list[Json]]:
        """Return the results of named cases, seed by seed, all of them played at once."""
        seeds = self.seeds if seeds is None else seeds
        # All of a seed one after the other: they play the same tasks.
        cases = [replace(case, seed=seed) for seed in seeds for case in wanted.values()]
        results = iter(self.bench.each(played, cases))
        by_seed = [{name: next(results) for name in wanted} for _ in seeds]
        return {name: [one[name] for one in by_seed] for name in wanted}

    def closed(self, rules: str) -> dict[int, Json]:
        """Return what rules do on two workers with so many tasks a worker always open."""
        numbers = self.bench.pick(ci=(26,), reduced=(24, 26, 28), full=(16, 20, 24, 26, 28, 30, 32))
        hours, warm_up = self.bench.pick(ci=(1.0, 0.25), reduced=(1.5, 0.5), full=(4.0, 1.0))
        cases = [Case(rules, 2, 0, hours, warm_up, at_once=at_once) for at_once in numbers]
        return dict(zip(numbers, self.bench.each(played, cases), strict=True))

    def capacity(self, rules: str) -> tuple[float, int]:
        """Return the most tasks per second and worker that rules finish at any number at once, and that number."""
        return max((result["per_second"], at_once) for at_once, result in self.closed(rules).items())
