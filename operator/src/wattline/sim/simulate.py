"""Lets a scenario's world run and reports."""

import gc
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager

from wattline.sim.build import build
from wattline.sim.counted import Counted, begun, reported
from wattline.sim.course import Course
from wattline.sim.node import set_clock
from wattline.sim.rates import SAMPLE_SECONDS
from wattline.sim.report import Report
from wattline.sim.scenario import Scenario
from wattline.sim.series import Recorder
from wattline.sim.watts import PERIOD_SECONDS

TICK_SECONDS = 1.0
COLLECTED_AFTER = 100_000
"""Ours: new objects after which Python looks for cycles of them. A world makes millions of values that die by
themselves and hardly a cycle; by the usual 700 a tenth of the time goes into looking."""


def simulate(scenario: Scenario) -> Report:
    """Return what becomes of the scenario's runs; the same scenario gives the same report to the last bit."""
    with _seldom_collected():
        return _World(scenario).report()


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let Python look for cycles seldom, and as often as before afterwards."""
    first, *others = gc.get_threshold()
    if first:  # 0: whoever switched it off keeps it off
        gc.set_threshold(max(first, COLLECTED_AFTER), *others)
    try:
        yield
    finally:
        gc.set_threshold(first, *others)


class _World:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.built = build(scenario)
        self.course = Course(self.built)
        self.recorder: Recorder | None = None
        self.counted = Counted()

    def report(self) -> Report:
        scenario, events, budgets = self.scenario, self.built.events, self.built.budgets
        self._set_out()
        self.course.expect()
        for served in self.built.served.values():
            served.expect()
        events.every(SAMPLE_SECONDS, self._sample, self._goes_on)
        moving = scenario.clock == "wattline" or scenario.cap == "wattline"
        if moving:
            events.every(TICK_SECONDS, self._tick, self._goes_on)
        if scenario.cap == "wattline":
            budgets.share_out(events)
            events.every(PERIOD_SECONDS, lambda: budgets.share_out(events), self._goes_on)
        watched = scenario.watch_watts or bool(self.built.fleet.domains)
        if watched:
            events.every(TICK_SECONDS, self._watch, self._goes_on)
        if scenario.warm_up_hours:
            events.at(scenario.warm_up_hours * 3600, self._begin)
        if scenario.series_seconds is not None:
            self.recorder = self._recorder()
            events.every(scenario.series_seconds, self._record, self._goes_on)
        self.course.go_on(self._goes_on)
        events.run(until_seconds=(scenario.hours + scenario.drain_hours) * 3600)
        for replica in self.built.replicas.values():
            replica.catch_up()
        return reported(self.built, self.counted, self.recorder, watched=watched, moving=moving)

    def _set_out(self) -> None:
        """Set what stays as it is: constant clocks and static limits."""
        scenario = self.scenario
        if isinstance(scenario.clock, int):
            for gpu in self.built.gpus.values():
                clocks = gpu.product.clocks_mhz
                set_clock(gpu, clocks[max(0, bisect_right(clocks, scenario.clock) - 1)])
        if scenario.cap == "uniform":
            self.built.budgets.limit_evenly()

    def _goes_on(self) -> bool:
        return self.built.events.now_seconds < self.scenario.hours * 3600 or any(
            served.agents.played.open > 0 for served in self.built.served.values()
        )

    def _sample(self) -> None:
        for served in self.built.served.values():
            served.sample()
        hottest = max(gpu.celsius for gpu in self.built.gpus.values())
        self.counted.hottest_celsius = max(self.counted.hottest_celsius, hottest)
        for served in self.built.served.values():
            served.gateway.place()

    def _tick(self) -> None:
        counted = self.counted
        for node in self.built.nodes:
            node.tick(self.built.events.now_seconds)
        for served in self.built.served.values():
            for replica in served.gateway.replicas.values():
                if replica.engine.running:
                    counted.clock_seconds += TICK_SECONDS
                    counted.clock_mhz_seconds += TICK_SECONDS * replica.gpus[0].clock_mhz

    def _watch(self) -> None:
        self.built.catch_up()
        self.built.budgets.watch(TICK_SECONDS)

    def _begin(self) -> None:
        """Count from now on."""
        self.built.catch_up()
        self.counted = begun(self.built)

    def _recorder(self) -> Recorder:
        return Recorder(
            self.built.gpus.values(),
            self.built.budgets.gpus(),
            lambda: {name: served.gateway for name, served in self.built.served.items()},
        )

    def _record(self) -> None:
        self.built.catch_up()
        if self.recorder is not None:
            self.recorder.look(self.built.events.now_seconds, self.built.replicas.values())
