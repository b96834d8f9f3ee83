"""Gated pods: which nodes each may go to now, and what the others wait for."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wattline.api.base import CLASSES, PowerClass
from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import Mode
from wattline.controller.facts import capped, floor_watts
from wattline.controller.held import Held
from wattline.model.actions import Place
from wattline.model.affinity import HOSTNAME, NodeTaint, allowed, kept_away
from wattline.model.bounds import bound_watts
from wattline.model.cluster import ClusterView, MachineSeen, NodeView, PodSeen
from wattline.model.fleet import full_name
from wattline.model.names import UNCAPPED
from wattline.policy.place import Placement, Site, Waiting, Why, place


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of the gated pods in one pass."""

    actions: tuple[Place, ...] = ()
    placements: Mapping[str, Placement] = field(default_factory=dict)
    """By the pod's full name."""


@dataclass(frozen=True, slots=True)
class _Pod:
    """A pod with what its pool wants of each of its GPUs."""

    pod: PodSeen
    gpus: int
    least_watts: float | None
    power_class: PowerClass


def placed(view: ClusterView, held: Held) -> Placed:
    """Return which gated pods may go where; the watts and GPUs of one are never given to another as well.

    Protected pools come first, then the pods that were there first.
    """
    known = _known(view)
    gated = [each for each in known if each.pod.waits_for_us]
    if not gated:
        return Placed()
    gated.sort(key=lambda each: (CLASSES.index(each.power_class), each.pod.created_at, each.pod.full_name))
    used: Counter[str] = Counter()
    for each in known:
        used[each.pod.node] += each.gpus
    through = [each for each in known if not each.pod.node and not each.pod.gates and not each.pod.leaving]
    doors = _Doors(view)
    placements = place(
        _free_watts(view, held, [each for each in known if each.pod.node]),
        [
            _site(machine, view, held, used[name])
            for name, machine in view.machines.items()
            if machine.managed
        ],
        [doors.waiting(each) for each in gated],
        [doors.waiting(each) for each in through],
    )
    by_name = {placement.name: placement for placement in placements}
    return Placed(
        actions=tuple(
            _place(each.pod, placement.nodes, view)
            for each in gated
            for placement in [by_name[each.pod.full_name]]
            if placement.why is Why.FITS
        ),
        placements=by_name,
    )


def _known(view: ClusterView) -> list[_Pod]:
    """Return every pod that uses GPUs or waits for us, with what its pool wants."""
    owners: dict[str, tuple[InferencePool, int]] = {}
    for pool in view.fleet.pools:
        replicas = view.replicas.get(full_name(pool), ())
        size = max((len(each.gpus) for each in replicas), default=0)
        for each in replicas:
            if each.pod is not None:
                for pod in (each.pod, *(worker.pod for worker in each.workers)):
                    owners.setdefault(pod.full_name, (pool, size))
    given = _given(view)
    found: list[_Pod] = []
    for name, pod in view.pods.items():
        owner = owners.get(name)
        usual = 1 if owner is None else max(1, owner[1])
        gpus = max(pod.gpus, given.get(name, 0)) or (usual if pod.claims else 0)
        if gpus or pod.waits_for_us:
            least = None if owner is None else owner[0].spec.power.watts_per_gpu.min
            power_class = PowerClass.STANDARD if owner is None else owner[0].spec.power_class
            found.append(_Pod(pod, gpus, least, power_class))
    return found


def _given(view: ClusterView) -> dict[str, int]:
    """Return how many GPUs the kubelet has given to each pod."""
    return {
        f"{pod.namespace}/{pod.name}": len(pod.gpus)
        for node in view.nodes.values()
        if node.status is not None
        for pod in node.status.pods
    }


def _free_watts(view: ClusterView, held: Held, bound: Iterable[_Pod]) -> dict[str, float]:
    """Return what each enforced domain has left after the floors of all its GPUs and what bound pods, and
    engines that users listed, want at least.
    """
    extra: dict[str, list[float]] = {}
    for each in bound:
        extra.setdefault(each.pod.node, []).append(_extra(each.least_watts, each.gpus, view, each.pod.node))
    for pool in view.fleet.pools:
        if not pool.spec.of_pods:
            least = pool.spec.power.watts_per_gpu.min
            for endpoint in pool.spec.endpoints:
                watts = _extra(least, len(endpoint.gpus), view, endpoint.node)
                extra.setdefault(endpoint.node, []).append(watts)
    free: dict[str, float] = {}
    for domain in held.tree.enforcing():
        name = domain.metadata.name
        taken = [held.tree.beside_watts[name]]
        for member in held.tree.members[name]:
            node = view.nodes.get(member)
            taken += [_floor_watts(node), *extra.get(member, ())]
        free[name] = domain.spec.budget.watts - math.fsum(taken)
    return free


def _floor_watts(node: NodeView | None) -> float:
    if node is None or node.status is None or not node.status.gpus:
        return math.inf
    return floor_watts(node.status.gpus)


def _extra(least_watts: float | None, gpus: int, view: ClusterView, name: str) -> float:
    """Return what some GPUs of a node want above their floors; of a mixed node those that want most."""
    node = view.nodes.get(name)
    if least_watts is None or node is None or node.status is None:
        return 0.0
    above = [
        bound_watts(gpu.product, min(max(least_watts, gpu.min_watts), gpu.max_watts), gpu.max_watts)
        - bound_watts(gpu.product, gpu.min_watts, gpu.max_watts)
        for gpu in node.status.gpus
    ]
    return gpus * max(above, default=0.0)


def _site(machine: MachineSeen, view: ClusterView, held: Held, used: int) -> Site:
    name, node = machine.name, view.nodes.get(machine.name)
    chain = held.tree.chain(name) if name in held.tree.hangs_on else ()
    enforcing = tuple(domain.metadata.name for domain in chain if domain.spec.mode is Mode.ENFORCE)
    there = machine.gpus or (len(node.status.gpus) if node is not None and node.status is not None else 0)
    return Site(name, enforcing, there - used, read_back=not enforcing or (node is not None and capped(node)))


class _Doors:
    """Which nodes are open to which pod, and what it wants there; pods of one pool are alike and asked for once."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._known: dict[object, Mapping[str, float]] = {}

    def waiting(self, each: _Pod) -> Waiting:
        """Return a pod as the policy sees it."""
        pod = each.pod
        selector = tuple(sorted(pod.node_selector.items()))
        like = (pod.affinity, selector, pod.tolerations, each.gpus, each.least_watts)
        if like not in self._known:
            self._known[like] = {
                name: _extra(each.least_watts, each.gpus, self._view, name)
                for name, machine in self._view.machines.items()
                if name not in self._view.standing and _open(pod, machine)
            }
        return Waiting(pod.full_name, each.gpus, self._known[like])


def _open(pod: PodSeen, machine: MachineSeen) -> bool:
    """Whether a pod may go to a node as far as Kubernetes and the opt-in are concerned; our own taint passes."""
    taints: list[NodeTaint] = [taint for taint in machine.taints if taint.key != UNCAPPED]
    return (
        machine.managed
        and machine.ready
        and not machine.cordoned
        and allowed(pod.affinity, pod.node_selector, machine.name, machine.labels)
        and not kept_away(taints, pod.tolerations)
    )


def _place(pod: PodSeen, nodes: Iterable[str], view: ClusterView) -> Place:
    hostnames: Iterator[str] = (view.machines[name].labels.get(HOSTNAME, name) for name in nodes)
    return Place(pod.namespace, pod.name, pod.uid, pod.resource_version, tuple(hostnames))
