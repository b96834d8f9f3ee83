"""Pools whose replicas are pods, stood on nodes: where the product would let them start.

Manifests seldom say which nodes there are. Nodes that domains name, and nodes of listed endpoints, are taken as they
are named; a domain that selects its nodes by label gets simulated ones, as many as its pods need. Every node has the
same number of GPUs of one product. Pods are let through by the product's own ``policy.place`` and bound, as the
scheduler would, where most GPUs are free.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, fsum

from wattline.api.base import CLASSES
from wattline.api.inferencepool import Endpoint, InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.model.bounds import bound_watts
from wattline.model.fleet import Fleet, full_name
from wattline.model.names import GPU
from wattline.policy.place import Site, Waiting, Why, place
from wattline.world.engine import EnginePhysics
from wattline.world.gpu import PRODUCTS, Product

EngineKey = tuple[str, str, int]
"""Model, product, GPUs."""


@dataclass(frozen=True, slots=True)
class Stood:
    """A fleet whose every replica is an endpoint on a node."""

    fleet: Fleet
    notes: tuple[str, ...] = ()
    """What was assumed, and who found no place; a sentence each."""


@dataclass(frozen=True, slots=True)
class _Pods:
    """A pool's pods that are to be placed."""

    pool: InferencePool
    count: int
    gpus: int
    """Of each."""

    @property
    def name(self) -> str:
        return full_name(self.pool)


def stood(
    fleet: Fleet, product: str, engines: Mapping[EngineKey, EnginePhysics], gpus_per_node: int
) -> Stood:
    """Return the fleet with its pods placed; one without pods and selectors is returned as it is."""
    of_pods = [pool for pool in fleet.pools if pool.spec.of_pods]
    if not of_pods and all(domain.spec.node_selector is None for domain in fleet.domains):
        return Stood(fleet)
    pods = [_Pods(pool, wanted(pool), _gpus_of(pool, product, engines)) for pool in of_pods]
    pods.sort(key=lambda each: (CLASSES.index(each.pool.spec.power_class), each.name))
    listed: Counter[str] = Counter()
    for pool in fleet.pools:
        for endpoint in pool.spec.endpoints:
            listed[endpoint.node] += len(endpoint.gpus)
    whole, made = _with_nodes(fleet, pods, listed, gpus_per_node)
    yard = _Yard(whole, PRODUCTS[product], listed, made, gpus_per_node)
    found = {each.name: yard.bind(each) for each in pods}
    pools = tuple(
        _placed(pool, found[full_name(pool)]) if full_name(pool) in found else pool for pool in whole.pools
    )
    notes = [_assumed(pods, made, gpus_per_node)] if made else []
    notes += [
        f"{each.name}: how many replicas its workload has is not among the manifests; one of {each.gpus} GPUs is taken, "
        "`replicas` says another number"
        for each in pods
        if each.pool.spec.template is None and each.pool.spec.replicas is None
    ]
    return Stood(replace(whole, pools=pools), (*notes, *yard.notes))


def wanted(pool: InferencePool) -> int:
    """Return how many replicas of a pool get work."""
    if not pool.spec.of_pods:
        return len(pool.spec.active())
    return 1 if pool.spec.replicas is None else pool.spec.replicas


def _gpus_of(pool: InferencePool, product: str, engines: Mapping[EngineKey, EnginePhysics]) -> int:
    """Return the GPUs of a replica: those its template asks for, or the fewest its model is known on."""
    template = pool.spec.template
    containers = [] if template is None else template.spec.get("containers", [])
    asked = sum(_quantity(container) for container in containers)
    known = [gpus for model, name, gpus in engines if (model, name) == (pool.spec.model, product)]
    return asked or min(known, default=1)


def _quantity(container: Mapping[str, object]) -> int:
    resources = container.get("resources")
    for kind in ("limits", "requests"):
        amounts = resources.get(kind) if isinstance(resources, Mapping) else None
        if isinstance(amounts, Mapping) and str(amounts.get(GPU, "")).isdecimal():
            return int(str(amounts[GPU]))
    return 0


def _with_nodes(
    fleet: Fleet, pods: Sequence[_Pods], listed: Mapping[str, int], gpus_per_node: int
) -> tuple[Fleet, tuple[str, ...]]:
    """Return the fleet with simulated nodes in the lowest domains that select theirs, and those nodes.

    Nodes of listed endpoints that no domain names are taken to be selected too, by one domain after the other.
    """
    named = sorted({*fleet.nodes(), *listed})
    free = sum(max(0, gpus_per_node - listed.get(node, 0)) for node in named)
    lowest = [domain for domain in fleet.domains if domain.spec.node_selector is not None]
    parents = {domain.spec.parent for domain in fleet.domains}
    lowest = [domain for domain in lowest if domain.metadata.name not in parents] or lowest
    if not lowest and fleet.domains:
        return fleet, ()
    asked = fsum(each.count / max(1, gpus_per_node // each.gpus) for each in pods)
    need = max(0, ceil(asked - free / gpus_per_node - 1e-9))
    if not lowest:
        nodes = tuple(f"node-{index + 1}" for index in range(need))
        return fleet, nodes
    each = max(0 if listed else 1, ceil(need / len(lowest)))
    made = {
        domain.metadata.name: tuple(f"{domain.metadata.name}-{index + 1}" for index in range(each))
        for domain in lowest
    }
    below = {name: list(nodes) for name, nodes in made.items()}
    strays = [node for node in sorted(listed) if not fleet.domains_of(node)]
    for index, node in enumerate(strays):
        below[lowest[index % len(lowest)].metadata.name].append(node)
    domains = tuple(_listing(domain, tuple(below.get(domain.metadata.name, ()))) for domain in fleet.domains)
    return replace(fleet, domains=domains), tuple(node for nodes in made.values() for node in nodes)


def _listing(domain: PowerDomain, nodes: tuple[str, ...]) -> PowerDomain:
    if domain.spec.node_selector is None:
        return domain
    spec = domain.spec.model_copy(update={"node_selector": None, "nodes": nodes})
    return domain.model_copy(update={"spec": spec})


def _placed(pool: InferencePool, endpoints: tuple[Endpoint, ...]) -> InferencePool:
    spec = pool.spec.model_copy(
        update={
            "template": None,
            "workload_ref": None,
            "pool_ref": None,
            "replicas": None,
            "endpoints": endpoints,
        }
    )
    return pool.model_copy(update={"spec": spec})


def _assumed(pods: Sequence[_Pods], made: Sequence[str], gpus_per_node: int) -> str:
    names = ", ".join(f"{each.count} × {each.name}" for each in pods) or "no pods"
    shown = made[0] if len(made) == 1 else f"{made[0]} to {made[-1]}"
    return (
        f"the manifests name no nodes for {names}: {len(made)} of {gpus_per_node} GPUs simulated ({shown}); "
        "GPUs that no replica uses are not counted"
    )


class _Yard:
    """Nodes with what is left on them while pods are bound one after the other."""

    def __init__(
        self,
        fleet: Fleet,
        product: Product,
        listed: Mapping[str, int],
        made: Sequence[str],
        gpus_per_node: int,
    ) -> None:
        self.notes: list[str] = []
        self._product = product
        names = sorted({*fleet.nodes(), *listed, *made})
        self._there = {name: max(gpus_per_node, listed.get(name, 0)) for name in names}
        self._used = Counter(listed)
        self._chains = {
            name: tuple(domain.metadata.name for domain in fleet.domains_of(name)) for name in names
        }
        least = bound_watts(product.device_name, product.min_watts, product.max_watts)
        self._free_watts = {}
        for domain in fleet.domains:
            below = [name for name in names if domain.metadata.name in self._chains[name]]
            budget = domain.spec.budget
            self._free_watts[domain.metadata.name] = budget.watts - fsum(
                (
                    budget.reserved_watts,
                    *(budget.node_overhead_watts + self._there[name] * least for name in below),
                )
            )
        for pool in fleet.pools:
            for endpoint in pool.spec.endpoints:
                self._take_watts(endpoint.node, self._extra(pool, len(endpoint.gpus)))

    def bind(self, pods: _Pods) -> tuple[Endpoint, ...]:
        """Return an endpoint for each pod that finds a place."""
        extra = self._extra(pods.pool, pods.gpus)
        bound: list[Endpoint] = []
        for index in range(pods.count):
            pod = Waiting(f"{pods.name}-{index}", pods.gpus, dict.fromkeys(self._there, extra))
            [verdict] = place(self._free_watts, self._sites(), [pod])
            if verdict.why is not Why.FITS:
                self.notes.append(
                    f"{pods.count - index} of {pods.count} replicas of {pods.name} start nowhere: "
                    f"{verdict.why}, {verdict.detail}"
                )
                break
            node = min(verdict.nodes, key=lambda name: (-self._free_gpus(name), name))
            first = self._used[node]
            self._used[node] += pods.gpus
            self._take_watts(node, extra)
            bound.append(
                Endpoint(
                    name=f"{pods.pool.metadata.name}-{index}",
                    url=f"http://{node}:{pods.pool.spec.engine.port}",
                    node=node,
                    gpus=tuple(f"GPU-{node}-{first + each}" for each in range(pods.gpus)),
                )
            )
        return tuple(bound)

    def _sites(self) -> list[Site]:
        return [Site(name, self._chains[name], self._free_gpus(name)) for name in self._there]

    def _free_gpus(self, node: str) -> int:
        return self._there[node] - self._used[node]

    def _take_watts(self, node: str, watts: float) -> None:
        for domain in self._chains.get(node, ()):
            self._free_watts[domain] -= watts

    def _extra(self, pool: InferencePool, gpus: int) -> float:
        """Return what a replica's GPUs want above their floors."""
        product, least = self._product, pool.spec.power.watts_per_gpu.min
        if least is None:
            return 0.0
        wants = bound_watts(
            product.device_name, min(max(least, product.min_watts), product.max_watts), product.max_watts
        )
        return gpus * (wants - bound_watts(product.device_name, product.min_watts, product.max_watts))
