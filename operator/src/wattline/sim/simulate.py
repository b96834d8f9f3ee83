"""Builds a scenario's world, lets it run and reports."""

from bisect import bisect_right
from math import fsum

from wattline.api.base import PowerClass
from wattline.api.inferencepool import InferencePool
from wattline.api.powernode import GpuOrder, ReplicaOrder
from wattline.model.fleet import full_name
from wattline.model.orders import gpu_order, replica_order
from wattline.sim.agents import Agents
from wattline.sim.events import Events
from wattline.sim.gateway import Gateway
from wattline.sim.node import Node, set_clock
from wattline.sim.rates import SAMPLE_SECONDS, AgentRates
from wattline.sim.replica import Replica
from wattline.sim.report import Report, spread
from wattline.sim.scenario import Scenario, chosen_pool, physics_of
from wattline.sim.watts import PERIOD_SECONDS, Budgets
from wattline.world.engine import Engine
from wattline.world.gpu import PRODUCTS, Gpu

TICK_SECONDS = 1.0


def simulate(scenario: Scenario) -> Report:
    """Return what becomes of the scenario's runs; the same scenario gives the same report to the last bit."""
    return _World(scenario).report()


class _World:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.events = Events()
        self.rates = AgentRates()
        self.served = chosen_pool(scenario.fleet, scenario.pool)
        self.gateway = Gateway(
            self.served.spec,
            scenario.routing,
            admission=scenario.admission,
            events=self.events,
            rates=self.rates,
        )
        self.replicas: dict[tuple[str, str], Replica] = {}
        self.gpus: dict[str, Gpu] = {}
        for pool in scenario.fleet.pools:
            self._stand_up(pool)
        active = self.served.spec.active()
        self.gateway.use(
            {endpoint.name: self.replicas[full_name(self.served), endpoint.name] for endpoint in active}
        )
        self.nodes = self._nodes()
        self.budgets = Budgets(scenario.fleet, self.nodes, self._class_of)
        longest = min(r.engine.physics.max_context_tokens for r in self.gateway.replicas.values())
        self.agents = Agents(self.events, self.gateway, min(longest, self._admissible_tokens()))
        self._clock_seconds = self._clock_mhz_seconds = 0.0
        self._hottest_celsius = 0.0

    def report(self) -> Report:
        scenario, events = self.scenario, self.events
        self._set_out()
        self.agents.expect(scenario.arrivals)
        events.every(SAMPLE_SECONDS, self._sample, self._goes_on)
        moving = scenario.clock == "wattline" or scenario.cap == "wattline"
        if moving:
            events.every(TICK_SECONDS, self._tick, self._goes_on)
        if scenario.cap == "wattline":
            self.budgets.share_out(events)
            events.every(PERIOD_SECONDS, lambda: self.budgets.share_out(events), self._goes_on)
        watched = scenario.watch_watts or bool(scenario.fleet.domains)
        if watched:
            events.every(TICK_SECONDS, self._watch, self._goes_on)
        events.run(until_seconds=(scenario.hours + scenario.drain_hours) * 3600)
        for replica in self.replicas.values():
            replica.catch_up()
        return self._reported(watched=watched, moving=moving)

    # Building.

    def _stand_up(self, pool: InferencePool) -> None:
        scenario = self.scenario
        product = PRODUCTS[scenario.product]
        for endpoint, physics in zip(pool.spec.endpoints, physics_of(pool, scenario.product), strict=True):
            gpus = [
                self.gpus.setdefault(uuid, Gpu(product, uuid, shape=scenario.shape)) for uuid in endpoint.gpus
            ]
            self.replicas[full_name(pool), endpoint.name] = Replica(
                endpoint.name, Engine(physics, gpus), self.events, self.gateway.heard
            )

    def _nodes(self) -> list[Node]:
        fleet = self.scenario.fleet
        names = sorted({endpoint.node for pool in fleet.pools for endpoint in pool.spec.endpoints})
        return [self._node(name) for name in names]

    def _node(self, name: str) -> Node:
        scenario = self.scenario
        gpus: dict[str, Gpu] = {}
        orders: list[GpuOrder] = []
        replicas: dict[tuple[str, str], tuple[ReplicaOrder, Replica, Gateway | None]] = {}
        for pool, endpoint in scenario.fleet.endpoints_on(name):
            replica = self.replicas[full_name(pool), endpoint.name]
            served = pool is self.served and endpoint.name in self.gateway.replicas
            replicas[full_name(pool), endpoint.name] = (
                replica_order(pool, endpoint),
                replica,
                self.gateway if served else None,
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
        )

    def _class_of(self, node: str) -> PowerClass:
        order = list(PowerClass)
        classes = [pool.spec.power_class for pool, _ in self.scenario.fleet.endpoints_on(node)]
        return min(classes, key=order.index, default=PowerClass.STANDARD)

    def _admissible_tokens(self) -> int:
        """Return the longest run that can ever be admitted to the smallest replica, with room for one turn."""
        smallest = min(r.engine.capacity_tokens for r in self.gateway.replicas.values())
        return int(self.served.spec.memory.never_above * smallest)

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
        return self.events.now_seconds < self.scenario.hours * 3600 or self.agents.played.open > 0

    def _sample(self) -> None:
        for replica in self.gateway.replicas.values():
            replica.catch_up()
            replica.changed()
        self.rates.sample(self.events.now_seconds)
        self._hottest_celsius = max(self._hottest_celsius, *(gpu.celsius for gpu in self.gpus.values()))
        self.gateway.place()

    def _tick(self) -> None:
        for node in self.nodes:
            node.tick(self.events.now_seconds)
        for replica in self.gateway.replicas.values():
            if replica.engine.running:
                self._clock_seconds += TICK_SECONDS
                self._clock_mhz_seconds += TICK_SECONDS * replica.gpus[0].clock_mhz

    def _watch(self) -> None:
        for replica in self.replicas.values():
            replica.catch_up()
            replica.changed()
        self.budgets.watch(TICK_SECONDS)

    # Reporting.

    def _reported(self, *, watched: bool, moving: bool) -> Report:
        scenario, played, tally = self.scenario, self.agents.played, self.gateway.tally
        seconds = self.events.now_seconds
        joules = fsum(gpu.energy_joules for gpu in self.gpus.values())
        finished = len(played.run_seconds)
        ttft_p50, ttft_p99 = spread(tally.ttft_seconds, 0.5, 0.99)
        run_p50, run_p95 = spread(played.run_seconds, 0.5, 0.95)
        return Report(
            mean_watts=joules / seconds,
            joules_per_finished_run=joules / finished if finished else None,
            runs_finished=finished,
            runs_offered=played.offered,
            runs_outgrown=played.outgrown,
            tokens_per_second_per_agent_p5=spread(self.rates.windows, 0.05)[0],
            ttft_seconds_p50=ttft_p50,
            ttft_seconds_p99=ttft_p99,
            run_seconds_mean=fsum(played.run_seconds) / finished if finished else None,
            run_seconds_p50=run_p50,
            run_seconds_p95=run_p95,
            recomputed_ratio=tally.recomputed_ratio,
            max_celsius=self._hottest_celsius,
            throttle_seconds=fsum(gpu.throttled_seconds for gpu in self.gpus.values()),
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
            preemptions=sum(replica.engine.preemptions for replica in self.replicas.values()),
            mean_clock_mhz=self._clock_mhz_seconds / self._clock_seconds
            if moving and self._clock_seconds
            else None,
            seed=scenario.seed,
        )
