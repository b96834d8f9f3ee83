"""What is counted while a world runs, from its start or from the end of a warm-up, and the report made of it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import fsum

from wattline.sim.build import Built
from wattline.sim.report import Report
from wattline.sim.results import Outcome
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
    outcomes = {name: served.outcome for name, served in built.served.items()}
    outcome = Outcome.of_all(list(outcomes.values()))
    lowered = [rung for served in built.served.values() for rung in served.rungs]
    seconds = built.events.now_seconds - counted.began_seconds
    spent = Spent.of(built)
    joules = spent.joules - counted.before.joules
    results = outcome.results(joules, spent.preemptions - counted.before.preemptions, lowered)
    return Report(
        **asdict(results),
        mean_watts=joules / seconds,
        max_celsius=counted.hottest_celsius,
        throttle_seconds=spent.throttled_seconds - counted.before.throttled_seconds,
        over_budget_seconds=built.budgets.over_seconds,
        peak_watts=built.budgets.peak_watts if watched else None,
        seconds=seconds,
        mean_clock_mhz=counted.clock_mhz_seconds / counted.clock_seconds
        if moving and counted.clock_seconds
        else None,
        seed=built.scenario.seed,
        notes=(*built.notes, *_unsourced(lowered)),
        pools=tuple(
            served.report(outcomes[name], _joules_of(built, counted, name))
            for name, served in built.served.items()
        ),
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
