"""A rung beside the pool's own model: joules for each successful run, at the turns that nobody knows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from wattline.sim.report import Report
from wattline.sim.rungs import TURNS_SHOWN, Rung
from wattline.sim.scenario import Scenario
from wattline.sim.simulate import simulate


@dataclass(frozen=True, slots=True)
class Step:
    """One rung at one number of turns."""

    rung: Rung | None
    """None is the pool's own model."""
    report: Report
    joules_per_successful_run: float | None
    needed_success_ratio: float | None
    """With this success a run costs the joules it costs on the pool's own model; above 1 it never pays."""

    @property
    def sourced(self) -> bool:
        """Whether the figures may stand in a headline."""
        return self.rung is None or self.rung.sourced


def ladder(scenario: Scenario, pool: str, rungs: tuple[Rung, ...]) -> Iterator[Step]:
    """Yield the pool's own model, and then each rung at the turns of `TURNS_SHOWN`; all see the same arrivals.

    A rung that says its own ``turns_ratio`` with a source is shown at that as well.
    """
    own = simulate(_served_on(scenario, pool, None))
    yield Step(None, own, own.joules_per_finished_run, None)
    for rung in rungs:
        stated = (rung.turns_ratio,) if rung.sourced else ()
        for turns in sorted({*TURNS_SHOWN, *stated}):
            known = rung.sourced and turns == rung.turns_ratio
            shown = replace(rung, turns_ratio=turns, source=rung.source if known else "")
            report = simulate(_served_on(scenario, pool, shown))
            joules, base = report.joules_per_finished_run, own.joules_per_finished_run
            needed = None if joules is None or base is None else joules / base
            yield Step(shown, report, report.joules_per_successful_run, needed)


def _served_on(scenario: Scenario, pool: str, rung: Rung | None) -> Scenario:
    everybody = tuple(
        replace(each, rung=rung) if each.pool == pool else each for each in scenario.all_served()
    )
    return replace(scenario, pool="", arrivals=(), served=everybody)
