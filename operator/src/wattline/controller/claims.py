"""What each node can use, as claims of ``policy.share``."""

import math
from collections.abc import Iterator, Sequence

from wattline.api.base import CLASSES, PowerClass
from wattline.api.powernode import GpuOrder, GpuStatus, ReplicaOrder
from wattline.controller import heat
from wattline.controller.facts import floor_watts
from wattline.model.bounds import bound_watts
from wattline.model.cluster import ClusterView, NodeView
from wattline.model.fleet import Fleet
from wattline.model.orders import gpu_order, replica_order
from wattline.model.sharing import apart, merged
from wattline.policy.share import Claim, Grant, Why


def gpu_orders(view: ClusterView, node: NodeView) -> tuple[GpuOrder, ...]:
    """Return the bounds of every GPU of a node: its pool's where a pool uses it, else the device's.

    A GPU that several replicas use has the bounds of the strictest, and is in one group with all that they use. A GPU
    whose pool has problems now keeps the bounds of its present order.
    """
    used = _owners(view.fleet, node.name)
    stands = _standing(view)
    was = {} if node.spec is None else {each.uuid: each for each in node.spec.gpus}
    known = [gpu.uuid for gpu in node.status.gpus] if node.status is not None else []
    orders = [
        was[uuid]
        if uuid not in used and uuid in was and was[uuid].group.rpartition("/")[0] in stands
        else used.get(uuid, GpuOrder(uuid=uuid, group=uuid))
        for uuid in dict.fromkeys([*known, *used])
    ]
    one_each = apart(orders, [replica_order(*engine) for engine in view.fleet.endpoints_on(node.name)])
    return tuple(heat.bounded(order, view.heat_mhz) for order in one_each)


def replica_orders(view: ClusterView, node: NodeView) -> tuple[ReplicaOrder, ...]:
    """Return the engines of a node; also those that get no work, for they may still be finishing some, and those
    of pools that have problems now, as they were.
    """
    engines = [replica_order(pool, endpoint) for pool, endpoint in view.fleet.endpoints_on(node.name)]
    if node.spec is None:
        return tuple(engines)
    taken = {uuid for engine in engines for uuid in engine.gpus}
    stands = _standing(view)
    kept = [each for each in node.spec.replicas if each.pool in stands and not taken & {*each.gpus}]
    return (*engines, *kept)


def _standing(view: ClusterView) -> frozenset[str]:
    """Return the pools that are there and cannot be followed now."""
    refused = [(each.kind, each.name) for each in view.problems]
    refused += [(each.kind, each.name) for each in view.broken]
    return frozenset(name for kind, name in refused if kind == "InferencePool")


def node_claims(fleet: Fleet, node: NodeView) -> Iterator[Claim]:
    """Yield a claim per class of pool on the node; the node's demand is split by what each class can use."""
    assert node.status is not None
    used = _owners(fleet, node.name)
    whole = math.fsum(_ceiling(gpu, used.get(gpu.uuid)) for gpu in node.status.gpus)
    demand = node.status.demand_watts or whole
    for power_class in CLASSES:
        gpus = [gpu for gpu in node.status.gpus if _class(used.get(gpu.uuid)) is power_class]
        if not gpus:
            continue
        ceiling = math.fsum(_ceiling(gpu, used.get(gpu.uuid)) for gpu in gpus)
        least = math.fsum(_wanted_least(gpu, used.get(gpu.uuid)) for gpu in gpus)
        yield Claim(
            name=f"{node.name} {power_class}",
            floor_watts=floor_watts(gpus),
            ceiling_watts=ceiling,
            demand_watts=max(demand * ceiling / whole if whole else 0.0, least),
            power_class=power_class,
            weight=len(gpus),
        )


def together(node: str, grants: Sequence[Grant]) -> Grant:
    """Return the grants of one node as one; the reason is that of the class that is shortest of watts."""
    order = (Why.FLOORS_EXCEED_BUDGET, Why.AT_FLOOR, Why.SHARED, Why.DEMAND_MET, Why.AT_CEILING)
    worst = min(grants, key=lambda grant: order.index(grant.why))
    return Grant(node, math.fsum(grant.watts for grant in grants), worst.why, worst.detail)


def _owners(fleet: Fleet, node: str) -> dict[str, GpuOrder]:
    """Return what the pools say of each GPU that a replica uses, by the GPU's UUID; the last pool names its group."""
    owners: dict[str, list[GpuOrder]] = {}
    for pool, endpoint in fleet.endpoints_on(node):
        for uuid in endpoint.gpus:
            owners.setdefault(uuid, []).insert(0, gpu_order(pool, endpoint, uuid))
    return {uuid: merged(orders) for uuid, orders in owners.items()}


def _class(owner: GpuOrder | None) -> PowerClass:
    return PowerClass.STANDARD if owner is None else owner.power_class


def _ceiling(gpu: GpuStatus, owner: GpuOrder | None) -> float:
    top = gpu.max_watts if owner is None else min(owner.watts_max or math.inf, gpu.max_watts)
    return bound_watts(gpu.product, max(top, gpu.min_watts), gpu.max_watts)


def _wanted_least(gpu: GpuStatus, owner: GpuOrder | None) -> float:
    """A pool's least limit is wanted, not promised: the domain's budget comes first."""
    least = None if owner is None else owner.watts_min
    return 0.0 if least is None else bound_watts(gpu.product, min(least, gpu.max_watts), gpu.max_watts)
