"""Builds a scenario's world, lets it run and reports."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import fsum

from wattline.api.base import PowerClass
from wattline.api.inferencepool import InferencePool
from wattline.api.powernode import GpuOrder, ReplicaOrder
from wattline.model.fleet import full_name
from wattline.model.orders import gpu_order, replica_order
from wattline.sim.air import LOOK_SECONDS, Air
from wattline.sim.changes import BudgetChange, Change, InletChange, ReplicaChange, problem
from wattline.sim.events import Events
from wattline.sim.gateway import Gateway
from wattline.sim.node import Node, set_clock
from wattline.sim.pool import Pool
from wattline.sim.poolreport import Outcome
from wattline.sim.rates import SAMPLE_SECONDS
from wattline.sim.replica import Replica
from wattline.sim.report import Report
from wattline.sim.rungs import Rung
from wattline.sim.scenario import Scenario, ScenarioError, chosen_pool, on_rungs, physics_of
from wattline.sim.series import Curves, Recorder, curve
from wattline.sim.standing import stood
from wattline.sim.steer import Steer
from wattline.sim.watts import PERIOD_SECONDS, Budgets
from wattline.world.engine import Engine, EngineEvent, EnginePhysics
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.profiled import engines_of

TICK_SECONDS = 1.0


def simulate(scenario: Scenario) -> Report:
    """Return what becomes of the scenario's runs; the same scenario gives the same report to the last bit."""
    return _World(scenario).report()


@dataclass(frozen=True, slots=True)
class _Spent:
    """Counters that only grow."""

    joules: float = 0.0
    throttled_seconds: float = 0.0
    preemptions: int = 0


class _World:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.engines = engines_of(scenario.fleet.profiles) if scenario.engines is None else scenario.engines
        self.standing = stood(on_rungs(scenario), scenario.product, self.engines, scenario.gpus_per_node)
        self.fleet = self.standing.fleet
        self.events = Events()
        self.served = {
            each.pool: Pool(chosen_pool(self.fleet, each.pool), each, scenario, self.events)
            for each in scenario.all_served()
        }
        self.replicas: dict[tuple[str, str], Replica] = {}
        self.gpus: dict[str, Gpu] = {}
        for pool in self.fleet.pools:
            self._stand_up(pool)
        for name, served in self.served.items():
            served.use({key[1]: replica for key, replica in self.replicas.items() if key[0] == name})
        self.nodes = self._nodes()
        self.budgets = Budgets(self.fleet, self.nodes, self._class_of)
        self.air = Air(self.nodes, scenario.inlet and scenario.inlet())
        self.recorder: Recorder | None = None
        self._clock_seconds = self._clock_mhz_seconds = 0.0
        self._hottest_celsius = 0.0
        self._began_seconds = 0.0
        self._spent = _Spent()
        self._joules_before = dict.fromkeys(self.gpus, 0.0)

    def report(self) -> Report:
        scenario, events = self.scenario, self.events
        self._set_out()
        self._expect_changes()
        for served in self.served.values():
            served.expect()
        events.every(SAMPLE_SECONDS, self._sample, self._goes_on)
        moving = scenario.clock == "wattline" or scenario.cap == "wattline"
        if moving:
            events.every(TICK_SECONDS, self._tick, self._goes_on)
        if scenario.cap == "wattline":
            self.budgets.share_out(events)
            events.every(PERIOD_SECONDS, lambda: self.budgets.share_out(events), self._goes_on)
        watched = scenario.watch_watts or bool(self.fleet.domains)
        if watched:
            events.every(TICK_SECONDS, self._watch, self._goes_on)
        if scenario.warm_up_hours:
            events.at(scenario.warm_up_hours * 3600, self._begin)
        if scenario.series_seconds is not None:
            self.recorder = self._recorder()
            events.every(scenario.series_seconds, self._record, self._goes_on)
        if scenario.inlet is not None:
            self._ask_facility()
            events.every(LOOK_SECONDS, self._ask_facility, self._goes_on)
        if scenario.steer is not None:
            events.every(scenario.steer_seconds, self._steered_by(scenario.steer()), self._goes_on)
        events.run(until_seconds=(scenario.hours + scenario.drain_hours) * 3600)
        for replica in self.replicas.values():
            replica.catch_up()
        return self._reported(watched=watched, moving=moving)

    # Building.

    def _stand_up(self, pool: InferencePool) -> None:
        scenario = self.scenario
        product = PRODUCTS[scenario.product]
        for endpoint, physics in zip(
            pool.spec.endpoints, physics_of(pool, scenario.product, self.engines), strict=True
        ):
            gpus = [
                self.gpus.setdefault(
                    uuid,
                    Gpu(
                        product,
                        uuid,
                        shape=physics.shape or scenario.shape,
                        sampled_seconds=scenario.sensors.sampled_seconds,
                    ),
                )
                for uuid in endpoint.gpus
            ]
            self.replicas[full_name(pool), endpoint.name] = Replica(
                endpoint.name, Engine(physics, gpus), self.events, self._heard(full_name(pool))
            )

    def _heard(self, pool: str) -> Callable[[Replica, EngineEvent], None]:
        """Return who hears of a pool's engines; those of a pool that is not served have nothing to tell."""
        served = self.served.get(pool)
        return _nobody if served is None else served.gateway.heard

    def _nodes(self) -> list[Node]:
        names = sorted({endpoint.node for pool in self.fleet.pools for endpoint in pool.spec.endpoints})
        return [self._node(name) for name in names]

    def _node(self, name: str) -> Node:
        scenario = self.scenario
        gpus: dict[str, Gpu] = {}
        orders: list[GpuOrder] = []
        replicas: dict[tuple[str, str], tuple[ReplicaOrder, Replica, Gateway | None]] = {}
        for pool, endpoint in self.fleet.endpoints_on(name):
            replica = self.replicas[full_name(pool), endpoint.name]
            served = self.served.get(full_name(pool))
            replicas[full_name(pool), endpoint.name] = (
                replica_order(pool, endpoint),
                replica,
                None if served is None else served.gateway,
            )
            for uuid in endpoint.gpus:
                if uuid not in gpus:
                    gpus[uuid] = self.gpus[uuid]
                    orders.append(gpu_order(pool, endpoint, uuid))
        return Node(
            name,
            gpus,
            tuple(orders),
            replicas,
            moves_clocks=scenario.clock == "wattline",
            moves_limits=scenario.cap == "wattline",
            sensors=scenario.sensors,
        )

    def _class_of(self, node: str) -> PowerClass:
        order = list(PowerClass)
        classes = [pool.spec.power_class for pool, _ in self.fleet.endpoints_on(node)]
        return min(classes, key=order.index, default=PowerClass.STANDARD)

    def _set_out(self) -> None:
        """Set what stays as it is: constant clocks and static limits."""
        scenario = self.scenario
        if isinstance(scenario.clock, int):
            for gpu in self.gpus.values():
                clocks = gpu.product.clocks_mhz
                set_clock(gpu, clocks[max(0, bisect_right(clocks, scenario.clock) - 1)])
        if scenario.cap == "uniform":
            self.budgets.limit_evenly()

    # Running.

    def _goes_on(self) -> bool:
        return self.events.now_seconds < self.scenario.hours * 3600 or any(
            served.agents.played.open > 0 for served in self.served.values()
        )

    def _sample(self) -> None:
        for served in self.served.values():
            served.sample()
        self._hottest_celsius = max(self._hottest_celsius, *(gpu.celsius for gpu in self.gpus.values()))
        for served in self.served.values():
            served.gateway.place()

    def _tick(self) -> None:
        for node in self.nodes:
            node.tick(self.events.now_seconds)
        for served in self.served.values():
            for replica in served.gateway.replicas.values():
                if replica.engine.running:
                    self._clock_seconds += TICK_SECONDS
                    self._clock_mhz_seconds += TICK_SECONDS * replica.gpus[0].clock_mhz

    def _watch(self) -> None:
        self._catch_up()
        self.budgets.watch(TICK_SECONDS)

    def _begin(self) -> None:
        """Count from now on."""
        self._catch_up()
        self._began_seconds = self.events.now_seconds
        self._spent = self._spend()
        self._joules_before = {uuid: gpu.energy_joules for uuid, gpu in self.gpus.items()}
        for served in self.served.values():
            served.begin()
        self.budgets.begin()
        self._clock_seconds = self._clock_mhz_seconds = self._hottest_celsius = 0.0

    def _spend(self) -> "_Spent":
        return _Spent(
            fsum(gpu.energy_joules for gpu in self.gpus.values()),
            fsum(gpu.throttled_seconds for gpu in self.gpus.values()),
            sum(replica.preemptions for replica in self.replicas.values()),
        )

    # Changing.

    def _expect_changes(self) -> None:
        """Let what is to happen happen at its time; raise `ScenarioError` where it cannot."""
        for change in self.scenario.changes:
            if change.at_seconds > self.scenario.hours * 3600:
                raise ScenarioError(
                    f"change at {change.at_seconds:g} s: arrivals end at {self.scenario.hours * 3600:g} s, and "
                    "nothing changes after that; choose an earlier moment, or more hours"
                )
            self._check(change)
            self.events.at(change.at_seconds, partial(self._happens, change))

    def _check(self, change: Change) -> None:
        replicas = [(name, each) for name, served in self.served.items() for each in served.lives]
        domains = [domain.metadata.name for domain in self.fleet.domains]
        wrong = problem(change, replicas, domains, [node.name for node in self.nodes])
        if wrong is not None:
            raise ScenarioError(wrong)
        if isinstance(change, ReplicaChange) and change.rung is not None:
            served = self.served[change.pool]
            tokens = self._physics_on(change).max_context_tokens
            if tokens < served.longest_tokens:
                raise ScenarioError(
                    f"change at {change.at_seconds:g} s: rung {change.rung.name} holds {tokens} tokens, and runs of "
                    f"{change.pool} may grow to {served.longest_tokens}; choose a rung with as much room"
                )

    def _physics_on(self, change: ReplicaChange) -> EnginePhysics:
        """Return the engine that a replica starts with; raise `ScenarioError` where there is none."""
        own = self.replicas[change.pool, change.replica].engine.physics
        model = own.model if change.rung is None or change.rung.model is None else change.rung.model
        known = self.engines.get((model, self.scenario.product, own.gpus))
        if known is None:
            raise ScenarioError(
                f"change at {change.at_seconds:g} s: no engine model of {model} on {own.gpus} {self.scenario.product}"
            )
        return known

    def _happens(self, change: Change) -> None:
        self._catch_up()
        match change:
            case ReplicaChange():
                served = self.served[change.pool]
                physics = None if change.rung is None else self._physics_on(change)
                served.lives[change.replica].happens(change.do, physics, change.rung)
                served.rungs += [] if change.rung is None else [change.rung]
            case BudgetChange():
                self.budgets.change(change.domain, change.watts)
                if self.scenario.cap == "wattline":
                    self.budgets.share_out(self.events)
                elif self.scenario.cap == "uniform":
                    self.budgets.limit_evenly()
            case InletChange():
                self.air.set(change.celsius, change.nodes)

    def _ask_facility(self) -> None:
        self._catch_up()
        self.air.look(self.events.now_seconds)

    def _steered_by(self, steer: Steer) -> Callable[[], None]:
        def looks() -> None:
            self._catch_up()
            seen = {name: served.look() for name, served in self.served.items()}
            for change in steer(self.events.now_seconds, seen):
                self._check(change)
                self._happens(change)

        return looks

    def _catch_up(self) -> None:
        for replica in self.replicas.values():
            replica.catch_up()
            replica.changed()

    # Recording.

    def _recorder(self) -> Recorder:
        return Recorder(
            self.gpus.values(),
            self.budgets.gpus(),
            lambda: {name: served.gateway for name, served in self.served.items()},
        )

    def _record(self) -> None:
        self._catch_up()
        if self.recorder is not None:
            self.recorder.look(self.events.now_seconds, self.replicas.values())

    def _curves(self, outcome: Outcome) -> Curves:
        return Curves(
            ttft_seconds=curve(outcome.tally.ttft_seconds),
            run_seconds=curve(outcome.played.run_seconds),
            tokens_per_second_per_agent=curve(outcome.windows),
        )

    # Reporting.

    def _reported(self, *, watched: bool, moving: bool) -> Report:
        scenario = self.scenario
        outcome = Outcome.of_all([served.outcome for served in self.served.values()])
        tally, runs = outcome.tally, outcome.runs()
        seconds = self.events.now_seconds - self._began_seconds
        spent = self._spend()
        joules = spent.joules - self._spent.joules
        finished = runs.runs_finished
        lowered = [rung for served in self.served.values() for rung in served.rungs]
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
            max_celsius=self._hottest_celsius,
            throttle_seconds=spent.throttled_seconds - self._spent.throttled_seconds,
            over_budget_seconds=self.budgets.over_seconds,
            peak_watts=self.budgets.peak_watts if watched else None,
            joules=joules,
            seconds=seconds,
            turns=tally.turns,
            output_tokens=tally.output_tokens,
            prefilled_tokens=tally.prefilled_tokens,
            turns_held=tally.held,
            sessions_returned=tally.returned,
            sessions_moved=tally.moved,
            preemptions=spent.preemptions - self._spent.preemptions,
            mean_clock_mhz=self._clock_mhz_seconds / self._clock_seconds
            if moving and self._clock_seconds
            else None,
            seed=scenario.seed,
            runs_successful=tally.successes if lowered else None,
            joules_per_successful_run=joules / tally.successes if lowered and tally.successes else None,
            sourced=all(each.sourced for each in lowered),
            turns_retried=tally.retried,
            lost_tokens=tally.lost_tokens,
            sessions_migrated=tally.migrated,
            notes=(*self.standing.notes, *_unsourced(lowered)),
            pools=tuple(served.report(self._joules_of(name)) for name, served in self.served.items()),
            domains=self.budgets.reports(seconds),
            series=None if self.recorder is None else self.recorder.series(),
            curves=None if self.recorder is None else self._curves(outcome),
        )

    def _joules_of(self, pool: str) -> float:
        """Return the energy of a pool's GPUs; one that several replicas share counts in equal parts."""
        users = Counter(gpu.uuid for replica in self.replicas.values() for gpu in replica.gpus)
        return fsum(
            (gpu.energy_joules - self._joules_before[gpu.uuid]) / users[gpu.uuid]
            for (owner, _), replica in self.replicas.items()
            if owner == pool
            for gpu in replica.gpus
        )


def _unsourced(rungs: Sequence[Rung]) -> Iterator[str]:
    """Yield what is to be said of rungs whose success nobody has measured."""
    for name in sorted({rung.name for rung in rungs if not rung.sourced}):
        yield (
            f"rung {name}: its success and its turns have no source; joules per successful run are a what-if, and no "
            "headline"
        )


def _nobody(replica: Replica, event: EngineEvent) -> None:
    """Hear of an engine that gets no work."""
