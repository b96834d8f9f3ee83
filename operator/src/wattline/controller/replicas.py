"""Turns a cluster into what a box declares by hand: nodes by name, and engines with their node and GPUs.

From here on claims, orders and verdicts are the same in a cluster and on a box.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from wattline.api.base import ConditionStatus
from wattline.api.inferencepool import Endpoint, InferencePool
from wattline.controller import heat, sources
from wattline.controller.members import members
from wattline.model.cluster import ClusterView, NodeView, PodSeen, Replica, Worker
from wattline.model.fleet import Fleet, full_name
from wattline.model.names import POOL
from wattline.model.references import Problem, endpoints

LONGEST_LABEL = 63
"""A label's value has at most so many characters."""

MOST_GPUS = 64
"""An endpoint has at most so many."""


def resolve(view: ClusterView) -> ClusterView:
    """Return the view with the nodes of domains and the replicas of pools found; one of a box as it is.

    Domains and pools that have problems are taken out of the fleet and named in ``problems``; ``declared``
    keeps what the users wrote. Resolving twice is resolving once.
    """
    if not view.clustered:
        return view
    declared = view.declared or view.fleet
    managed = {name: NodeView(name) for name, machine in view.machines.items() if machine.managed}
    view = dataclasses.replace(view, nodes=dict(sorted((managed | dict(view.nodes)).items())))
    hung = members(declared, view)
    refused = _refused(declared, view)
    replicas = _replicas([pool for pool in declared.pools if full_name(pool) not in refused], view)
    return dataclasses.replace(
        view,
        fleet=dataclasses.replace(
            declared,
            domains=hung.domains,
            pools=tuple(
                pool.model_copy(
                    update={"spec": pool.spec.model_copy(update={"endpoints": _engines(replicas[name])})}
                )
                if pool.spec.of_pods
                else pool
                for pool in declared.pools
                for name in [full_name(pool)]
                if name not in refused
            ),
        ),
        declared=declared,
        problems=(*hung.problems, *refused.values()),
        standing=hung.standing,
        replicas=replicas,
        heat_mhz=heat.elsewhere(replicas, view.nodes),
    )


def _refused(declared: Fleet, view: ClusterView) -> dict[str, Problem]:
    """Return the pools that cannot be followed, by full name, each with the first of its problems.

    Of two pools that claim the same, the one that was accepted before keeps it.
    """
    pools = sorted(declared.pools, key=lambda pool: (not _accepted(full_name(pool), view), full_name(pool)))
    found: dict[str, Problem] = {}
    claimed: dict[tuple[str, str, str], str] = {}
    for problem in endpoints(Fleet(pools=tuple(pools))):
        found.setdefault(problem.name, problem)
    for pool in pools:
        name, key = full_name(pool), sources.key(pool)
        for problem in _taken(pool, view):
            found.setdefault(name, problem)
        if name in found or key is None:
            continue
        if claimed.setdefault(key, name) != name:
            kind, _, of = key
            message = f"{kind} {of} is that of pool {claimed[key]} already; a workload is one pool's"
            found.setdefault(name, Problem(pool.kind, name, ("spec",), message, "WorkloadShared"))
    return found


def _accepted(name: str, view: ClusterView) -> bool:
    conditions = view.pools[name].conditions if name in view.pools else ()
    return any(each.type == "Accepted" and each.status is ConditionStatus.TRUE for each in conditions)


def _taken(pool: InferencePool, view: ClusterView) -> Iterator[Problem]:
    """Yield why the Deployment of a template cannot have the pool's name, if it cannot."""
    if pool.spec.template is None:
        return
    if len(pool.metadata.name) > LONGEST_LABEL:
        message = f"{len(pool.metadata.name)} characters; pods of a template carry the name in a label, which holds 63"
        yield Problem(pool.kind, full_name(pool), ("metadata", "name"), message, "NameTooLong")
    there = sources.target(pool, view)
    if there is None:
        return
    if there.owner is None or there.owner.uid != pool.metadata.uid:
        yield Problem(
            pool.kind,
            full_name(pool),
            ("metadata", "name"),
            f"Deployment {there.name} is there already and not this pool's; "
            "take it as it is by a workloadRef, or name the pool otherwise",
            "NameTaken",
        )


def _replicas(pools: Iterable[InferencePool], view: ClusterView) -> dict[str, tuple[Replica, ...]]:
    """Return every pool's replicas. A pod or a GPU is one replica's; what the kubelet says of a pod comes before
    what a user listed.
    """
    by_pods = sorted(
        pools, key=lambda pool: (not pool.spec.of_pods, pool.spec.template is None, full_name(pool))
    )
    pods: dict[str, str] = {}
    gpus: dict[str, str] = {}
    found: dict[str, tuple[Replica, ...]] = {}
    given = _given(view)
    around: dict[tuple[str, str], list[PodSeen]] = {}
    for _, pod in sorted(view.pods.items()):
        for label in {"", pod.labels.get(POOL, "")}:
            around.setdefault((pod.namespace, label), []).append(pod)
    for pool in by_pods:
        name = full_name(pool)
        if pool.spec.of_pods:
            namespace, template = pool.metadata.namespace or "", pool.spec.template is not None
            near = around.get((namespace, pool.metadata.name if template else ""), [])
            seen = [_of_pod(pool, pod, near, given, view) for pod in sources.pods(pool, view, near)]
        else:
            seen = [_listed(each, view) for each in pool.spec.active()]
        found[name] = tuple(_alone(name, each, pods, gpus) for each in seen)
    return found


def _given(view: ClusterView) -> dict[str, tuple[str, ...]]:
    """Return the GPUs of each pod, by its full name, as the agent of the node it runs on says."""
    return {
        f"{pod.namespace}/{pod.name}": pod.gpus
        for node in view.nodes.values()
        if node.status is not None
        for pod in node.status.pods
        if (seen := view.pods.get(f"{pod.namespace}/{pod.name}")) is not None and seen.node == node.name
    }


def _of_pod(
    pool: InferencePool,
    pod: PodSeen,
    near: Sequence[PodSeen],
    given: Mapping[str, tuple[str, ...]],
    view: ClusterView,
) -> Replica:
    host = f"[{pod.address}]" if ":" in pod.address else pod.address
    group = [Worker(each, given.get(each.full_name, ())) for each in sources.workers(pool, pod, near)]
    own = given.get(pod.full_name, ())
    beside = [uuid for each in group if each.pod.node == pod.node for uuid in each.gpus]
    reasons = [_pod_reason(pod, (*own, *beside), view)]
    reasons += [_pod_reason(each.pod, each.gpus, view) for each in group]
    return Replica(
        name=pod.name,
        node=pod.node,
        url=f"http://{host}:{sources.port(pool, view)}" if pod.address else "",
        gpus=(*own, *beside),
        pod=pod,
        workers=tuple(each for each in group if each.pod.node != pod.node),
        reason=next((reason for reason in reasons if reason), ""),
    )


def _pod_reason(pod: PodSeen, gpus: tuple[str, ...], view: ClusterView) -> str:
    if pod.leaving:
        return "Ending: the pod is being deleted"
    if pod.waits_for_us:
        return "Gated: it waits for its place"
    if not pod.node:
        return "Unscheduled: no node has taken the pod yet"
    if not pod.ready:
        return "PodNotReady: the pod is bound, but not ready yet"
    return _node_reason(pod.node, gpus, view)


def _listed(endpoint: Endpoint, view: ClusterView) -> Replica:
    reason = _node_reason(endpoint.node, endpoint.gpus, view)
    return Replica(endpoint.name, endpoint.node, endpoint.url, endpoint.gpus, reason=reason)


def _node_reason(name: str, gpus: tuple[str, ...], view: ClusterView) -> str:
    machine, node = view.machines.get(name), view.nodes.get(name)
    if machine is None:
        return f"NodeMissing: the cluster has no node {name}"
    if not machine.managed:
        return f"NodeNotOptedIn: node {name} has no label wattline.dev/managed=true"
    if node is None or node.status is None:
        return f"AgentAway: the agent of node {name} has said nothing yet"
    if not gpus:
        return f"GpusUnknown: the agent of node {name} does not know the pod's GPUs yet"
    there = {gpu.uuid for gpu in node.status.gpus}
    absent = [uuid for uuid in gpus if uuid not in there]
    if absent:
        return f"GpuNotFound: node {name} has no GPU {absent[0]}"
    return ""


def _alone(pool: str, replica: Replica, pods: dict[str, str], gpus: dict[str, str]) -> Replica:
    """Return the replica as it is where its pod and its GPUs are its own, and note that they are; else without
    GPUs.
    """
    here = f"{pool}/{replica.name}"
    if replica.pod is not None and pods.setdefault(replica.pod.full_name, pool) != pool:
        other = pods[replica.pod.full_name]
        return dataclasses.replace(
            replica, gpus=(), reason=f"PodShared: the pod is a replica of {other} already"
        )
    for uuid in replica.gpus:
        if gpus.get(uuid, here) != here:
            reason = f"GpuShared: GPU {uuid} belongs to {gpus[uuid]} already; a GPU runs one replica"
            return dataclasses.replace(replica, gpus=(), reason=reason)
    gpus.update(dict.fromkeys(replica.gpus, here))
    return replica


def _engines(replicas: Iterable[Replica]) -> tuple[Endpoint, ...]:
    """Return the replicas that are engines with GPUs, also those that are ending or not ready: their GPUs draw.

    Of a replica on several nodes each node gets its part, at the leader's address: the part takes the pool's
    bounds, and as no gateway speaks of it there, its clock is never lowered.
    """
    return tuple(_engine_of(replicas))


def _engine_of(replicas: Iterable[Replica]) -> Iterator[Endpoint]:
    for each in replicas:
        places = [(each.name, each.node, each.gpus)]
        places += [(worker.pod.name, worker.pod.node, worker.gpus) for worker in each.workers]
        for name, node, gpus in places:
            if gpus and each.url and node:
                yield Endpoint(name=name, url=each.url, node=node, gpus=gpus[:MOST_GPUS])
