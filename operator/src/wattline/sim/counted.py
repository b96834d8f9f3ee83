"""What is counted while a world runs, from its start or from the end of a warm-up, and the report made of it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from wattline.sim.build import Built
from wattline.sim.poolreport import Outcome
from wattline.sim.report import Report
from wattline.sim.rungs import Rung
from wattline.sim.series import Curves, Recorder, curve


@dataclass(frozen=True, slots=True)
class Spent:
    """Counters that only grow."""

    joules: float = 0.0
    throttled_seconds: float = 0.0
    preemptions: int = 0

    @classmethod
    def of(cls, built: Built) -> "Spent":
        """Return what a world has spent so far."""
        gpus = built.gpus.values()
        return cls(
            fsum(gpu.energy_joules for gpu in gpus),
            fsum(gpu.throttled_seconds for gpu in gpus),
            sum(replica.preemptions for replica in built.replicas.values()),
        )


@dataclass(slots=True)
class Counted:
    """What the world itself does not keep."""

    began_seconds: float = 0.0
    before: Spent = field(default_factory=Spent)
    """What was spent until then."""
    joules_before: Mapping[str, float] = field(default_factory=dict)
    """By GPU."""
    clock_seconds: float = 0.0
    """Of engines at work."""
    clock_mhz_seconds: float = 0.0
    hottest_celsius: float = 0.0


def begun(built: Built) -> Counted:
    """Return new counts, after all others were set back: what was before counts for nothing."""
    for served in built.served.values():
        served.begin()
    built.budgets.begin()
    return Counted(
        built.events.now_seconds,
        Spent.of(built),
        {uuid: gpu.energy_joules for uuid, gpu in built.gpus.items()},
    )


def reported(
    built: Built, counted: Counted, recorder: Recorder | None, *, watched: bool, moving: bool
) -> Report:
    """Return the results."""
    outcome = Outcome.of_all([served.outcome for served in built.served.values()])
    tally, runs = outcome.tally, outcome.runs()
    seconds = built.events.now_seconds - counted.began_seconds
    spent = Spent.of(built)
    joules = spent.joules - counted.before.joules
    finished = runs.runs_finished
    lowered = [rung for served in built.served.values() for rung in served.rungs]
    return Report(
        mean_watts=joules / seconds,
        joules_per_finished_run=joules / finished if finished else None,
        runs_finished=finished,
        runs_offered=runs.runs_offered,
        runs_outgrown=runs.runs_outgrown,
        tokens_per_second_per_agent_p5=runs.tokens_per_second_per_agent_p5,
        ttft_seconds_p50=runs.ttft_seconds_p50,
        ttft_seconds_p99=runs.ttft_seconds_p99,
        run_seconds_mean=runs.run_seconds_mean,
        run_seconds_p50=runs.run_seconds_p50,
        run_seconds_p95=runs.run_seconds_p95,
        recomputed_ratio=tally.recomputed_ratio,
        max_celsius=counted.hottest_celsius,
        throttle_seconds=spent.throttled_seconds - counted.before.throttled_seconds,
        over_budget_seconds=built.budgets.over_seconds,
        peak_watts=built.budgets.peak_watts if watched else None,
        joules=joules,
        seconds=seconds,
        turns=tally.turns,
        output_tokens=tally.output_tokens,
        prefilled_tokens=tally.prefilled_tokens,
        turns_held=tally.held,
        sessions_returned=tally.returned,
        sessions_moved=tally.moved,
        preemptions=spent.preemptions - counted.before.preemptions,
        mean_clock_mhz=counted.clock_mhz_seconds / counted.clock_seconds
        if moving and counted.clock_seconds
        else None,
        seed=built.scenario.seed,
        runs_successful=tally.successes if lowered else None,
        joules_per_successful_run=joules / tally.successes if lowered and tally.successes else None,
        sourced=all(each.sourced for each in lowered),
        turns_retried=tally.retried,
        lost_tokens=tally.lost_tokens,
        sessions_migrated=tally.migrated,
        notes=(*built.notes, *_unsourced(lowered)),
        pools=tuple(served.report(_joules_of(built, counted, name)) for name, served in built.served.items()),
        domains=built.budgets.reports(seconds),
        runs=tuple(zip(outcome.played.run_ids, outcome.played.run_seconds, strict=True)),
        series=None if recorder is None else recorder.series(),
        curves=None if recorder is None else _curves(outcome),
    )


def _joules_of(built: Built, counted: Counted, pool: str) -> float:
    """Return the energy of a pool's GPUs; one that several replicas share counts in equal parts."""
    users = Counter(gpu.uuid for replica in built.replicas.values() for gpu in replica.gpus)
    return fsum(
        (gpu.energy_joules - counted.joules_before.get(gpu.uuid, 0.0)) / users[gpu.uuid]
        for (owner, _), replica in built.replicas.items()
        if owner == pool
        for gpu in replica.gpus
    )


def _curves(outcome: Outcome) -> Curves:
    return Curves(
        ttft_seconds=curve(outcome.tally.ttft_seconds),
        run_seconds=curve(outcome.played.run_seconds),
        tokens_per_second_per_agent=curve(outcome.windows),
    )


def _unsourced(rungs: Sequence[Rung]) -> Iterator[str]:
    """Yield what is to be said of rungs whose success nobody has measured."""
    for name in sorted({rung.name for rung in rungs if not rung.sourced}):
        yield (
            f"rung {name}: its success and its turns have no source; joules per successful run are a what-if, and no "
            "headline"
        )
