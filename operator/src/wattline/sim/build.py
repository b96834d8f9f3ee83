"""What a scenario is played on: its fleet on nodes, its GPUs and engines, its gateways and its budgets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from wattline.api.base import CLASSES, PowerClass
from wattline.api.powernode import GpuOrder, ReplicaOrder
from wattline.model.fleet import Fleet, full_name
from wattline.model.orders import gpu_order, replica_order
from wattline.sim import checks
from wattline.sim.events import Events
from wattline.sim.gateway import Gateway
from wattline.sim.node import Node
from wattline.sim.pool import Pool
from wattline.sim.replica import Replica
from wattline.sim.scenario import Scenario, chosen_pool, on_rungs, physics_of
from wattline.sim.standing import EngineKey, stood
from wattline.sim.watts import Budgets
from wattline.world.engine import Engine, EngineEvent, EnginePhysics
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.profiled import engines_of


@dataclass(frozen=True, slots=True)
class Built:
    """Everything that moves, and the clock it moves by."""

    scenario: Scenario
    fleet: Fleet
    """Every replica an endpoint on a node."""
    notes: tuple[str, ...]
    """What was assumed, and what of it cannot be."""
    engines: Mapping[EngineKey, EnginePhysics]
    events: Events
    served: Mapping[str, Pool]
    """Pools that get runs, by full name."""
    replicas: Mapping[tuple[str, str], Replica]
    """Of all pools, by pool and name."""
    gpus: Mapping[str, Gpu]
    nodes: tuple[Node, ...]
    budgets: Budgets

    def catch_up(self) -> None:
        """Let time pass everywhere until now."""
        for replica in self.replicas.values():
            replica.catch_up()
            replica.changed()


def build(scenario: Scenario) -> Built:
    """Return a scenario's world at its start; raise `ScenarioError` where there can be none."""
    checks.question(scenario)
    engines = engines_of(scenario.fleet.profiles) if scenario.engines is None else scenario.engines
    standing = stood(on_rungs(scenario), scenario.product, engines, scenario.gpus_per_node)
    fleet, events = standing.fleet, Events()
    served = {
        each.pool: Pool(chosen_pool(fleet, each.pool), each, scenario, events)
        for each in scenario.all_served()
    }
    replicas: dict[tuple[str, str], Replica] = {}
    gpus: dict[str, Gpu] = {}
    for pool in fleet.pools:
        heard = _heard(served.get(full_name(pool)))
        for endpoint, physics in zip(
            pool.spec.endpoints, physics_of(pool, scenario.product, engines), strict=True
        ):
            group = [gpus.setdefault(uuid, _gpu(scenario, uuid, physics)) for uuid in endpoint.gpus]
            replicas[full_name(pool), endpoint.name] = Replica(
                endpoint.name,
                Engine(physics, group),
                events,
                heard,
                skip_unchanged=scenario.skip_unchanged,
            )
    for name, pool_served in served.items():
        pool_served.use({key[1]: replica for key, replica in replicas.items() if key[0] == name})
    names = sorted({endpoint.node for pool in fleet.pools for endpoint in pool.spec.endpoints})
    nodes = tuple(_node(scenario, fleet, name, served, replicas, gpus) for name in names)
    budgets = Budgets(fleet, nodes, partial(_class_of, fleet), skip_unchanged=scenario.skip_unchanged)
    return Built(
        scenario=scenario,
        fleet=fleet,
        notes=(*standing.notes, *checks.budgets(scenario, fleet, budgets, nodes)),
        engines=engines,
        events=events,
        served=served,
        replicas=replicas,
        gpus=gpus,
        nodes=nodes,
        budgets=budgets,
    )


def _gpu(scenario: Scenario, uuid: str, physics: EnginePhysics) -> Gpu:
    return Gpu(
        PRODUCTS[scenario.product],
        uuid,
        shape=physics.shape or scenario.shape,
        sampled_seconds=scenario.sensors.sampled_seconds,
    )


def _heard(served: Pool | None) -> Callable[[Replica, EngineEvent], None]:
    """Return who hears of a pool's engines; those of a pool that is not served have nothing to tell."""
    return _nobody if served is None else served.gateway.heard


def _nobody(replica: Replica, event: EngineEvent) -> None:
    """Hear of an engine that gets no work."""


def _node(
    scenario: Scenario,
    fleet: Fleet,
    name: str,
    served: Mapping[str, Pool],
    replicas: Mapping[tuple[str, str], Replica],
    gpus: Mapping[str, Gpu],
) -> Node:
    here: dict[str, Gpu] = {}
    orders: list[GpuOrder] = []
    on_node: dict[tuple[str, str], tuple[ReplicaOrder, Replica, Gateway | None]] = {}
    for pool, endpoint in fleet.endpoints_on(name):
        key = (full_name(pool), endpoint.name)
        gateway = served[key[0]].gateway if key[0] in served else None
        on_node[key] = (replica_order(pool, endpoint), replicas[key], gateway)
        for uuid in endpoint.gpus:
            if uuid not in here:
                here[uuid] = gpus[uuid]
                orders.append(gpu_order(pool, endpoint, uuid))
    return Node(
        name,
        here,
        tuple(orders),
        on_node,
        moves_clocks=scenario.clock == "wattline",
        moves_limits=scenario.cap == "wattline",
        sensors=scenario.sensors,
    )


def _class_of(fleet: Fleet, node: str) -> PowerClass:
    """Return the keenest class of a node's pools."""
    classes = [pool.spec.power_class for pool, _ in fleet.endpoints_on(node)]
    return min(classes, key=CLASSES.index, default=PowerClass.STANDARD)
