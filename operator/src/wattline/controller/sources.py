"""What a pool's replicas come from: its own Deployment, somebody's workload, somebody's pool, or a list."""

from collections.abc import Iterable

from wattline.api.inferencepool import InferencePool
from wattline.model.cluster import ClusterView, PodSeen, WorkloadSeen
from wattline.model.fleet import full_name
from wattline.model.names import POOL
from wattline.model.selector import selects

DEPLOYMENT = "Deployment"
"""Kind of what a template becomes."""

GATEWAY_POOL = "InferencePool"
"""Kind that a poolRef names, of the Gateway API inference extension."""

LEADER_WORKER_SET = "LeaderWorkerSet"
GROUP_OF = ("leaderworkerset.sigs.k8s.io/name", "leaderworkerset.sigs.k8s.io/group-index")
"""Labels that the pods of one group of a LeaderWorkerSet share; a group is a replica."""

WORKER_INDEX = "leaderworkerset.sigs.k8s.io/worker-index"
"""Label of the pods of a LeaderWorkerSet; the leader of a group is 0."""


def key(pool: InferencePool) -> tuple[str, str, str] | None:
    """Return kind, namespace and name of what makes or chooses a pool's pods, or None if a user listed them."""
    namespace, spec = pool.metadata.namespace or "", pool.spec
    if spec.template is not None:
        return DEPLOYMENT, namespace, pool.metadata.name
    if spec.workload_ref is not None:
        return spec.workload_ref.kind, namespace, spec.workload_ref.name
    if spec.pool_ref is not None:
        return GATEWAY_POOL, namespace, spec.pool_ref.name
    return None


def target(pool: InferencePool, view: ClusterView) -> WorkloadSeen | None:
    """Return what makes or chooses a pool's pods, if it is there."""
    named = key(pool)
    return None if named is None else view.workloads.get(named)


def missing(pool: InferencePool, view: ClusterView) -> str:
    """Return what a pool refers to and is not there, in words; empty if nothing is missing."""
    named = key(pool)
    if named is None or pool.spec.template is not None or named in view.workloads:
        return ""
    kind, namespace, name = named
    group = " of inference.networking.k8s.io" if kind == GATEWAY_POOL else ""
    return f"there is no {kind}{group} {name} in namespace {namespace}"


def selector(pool: InferencePool, view: ClusterView) -> str:
    """Return the label selector of a pool's pods; empty for a listed pool, and while it is not known."""
    if pool.spec.template is not None:
        return f"{POOL}={pool.metadata.name}"
    seen = target(pool, view)
    return "" if seen is None else seen.selector


def port(pool: InferencePool, view: ClusterView) -> int:
    """Return the port where the pool's engines listen."""
    seen = target(pool, view) if pool.spec.pool_ref is not None else None
    return pool.spec.engine.port if seen is None or seen.port is None else seen.port


def pods(pool: InferencePool, view: ClusterView, around: Iterable[PodSeen]) -> tuple[PodSeen, ...]:
    """Return the pods of a pool, of those of its namespace; of a LeaderWorkerSet the leaders, which answer."""
    chosen = selector(pool, view)
    return tuple(
        pod
        for pod in around
        if selects(chosen, pod.labels)
        and (pool.spec.template is None or _made_by(pool, pod))
        and (not _of_groups(pool) or pod.labels.get(WORKER_INDEX, "0") == "0")
    )


def workers(pool: InferencePool, leader: PodSeen, around: Iterable[PodSeen]) -> tuple[PodSeen, ...]:
    """Return the other pods of a leader's group; none but of a LeaderWorkerSet."""
    group = [leader.labels.get(label) for label in GROUP_OF]
    if not _of_groups(pool) or None in group:
        return ()
    return tuple(
        pod
        for pod in around
        if [pod.labels.get(label) for label in GROUP_OF] == group and pod.name != leader.name
    )


def wanted(pool: InferencePool, view: ClusterView) -> int:
    """Return how many replicas a pool is to have."""
    spec, seen = pool.spec, target(pool, view)
    if spec.template is not None:
        return 1 if spec.replicas is None else spec.replicas
    if spec.workload_ref is not None and spec.replicas is not None:
        return spec.replicas
    if seen is not None and seen.replicas is not None:
        return seen.replicas
    return present(pool, view)


def present(pool: InferencePool, view: ClusterView) -> int:
    """Return how many replicas there are, those that are ending left out."""
    found = view.replicas.get(full_name(pool), ())
    return sum(1 for each in found if each.pod is None or not each.pod.leaving)


def _made_by(pool: InferencePool, pod: PodSeen) -> bool:
    """Whether a pod is of the pool's Deployment; a label alone, which anybody can write, does not say so."""
    owner = pod.owner
    return (
        owner is not None and owner.kind == "ReplicaSet" and owner.name.startswith(f"{pool.metadata.name}-")
    )


def _of_groups(pool: InferencePool) -> bool:
    return pool.spec.workload_ref is not None and pool.spec.workload_ref.kind == LEADER_WORKER_SET
