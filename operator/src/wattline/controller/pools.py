"""Statuses of pools: every replica as found, and what the gateway may send work to."""

import math
from collections.abc import Iterable, Mapping, Sequence

from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import EndpointStatus, InferencePool, InferencePoolStatus
from wattline.controller import sources
from wattline.controller.conditions import accepted, stamped, tenths, worded
from wattline.controller.domains import problems_of
from wattline.controller.facts import capped
from wattline.controller.held import Held
from wattline.controller.placement import Placed
from wattline.controller.replicas import MOST_GPUS
from wattline.model.cluster import ClusterView, Replica
from wattline.model.fleet import full_name
from wattline.model.journal import about
from wattline.model.references import Problem
from wattline.policy.place import Why

Watts = Mapping[tuple[str, str], float]
"""By node and GPU."""

MOST_ENDPOINTS = 256
"""A status names at most so many replicas."""

LONGEST_REASON = 512
"""A reason has at most so many characters."""

SHARED = ("PodShared", "GpuShared")
"""Reasons of a replica that is another pool's."""

GRAVEST = ("WaitingForPower", "WaitingForCapacity", "NoNodeAllowed", "UncappedGpus")
"""Reasons that stand before others in a pool's condition, for they name what people can do something about."""


def pool_statuses(view: ClusterView, held: Held, placed: Placed, at: str) -> dict[str, InferencePoolStatus]:
    """Return the status of every declared pool, also of those that cannot be followed."""
    problems = problems_of(view, "InferencePool")
    watts = _limits(view), _draws(view)
    statuses = {
        each.name: _refused(problems[each.name], each.generation, view, at)
        for each in view.broken
        if each.kind == "InferencePool"
    }
    for pool in (view.declared or view.fleet).pools:
        name = full_name(pool)
        if name in problems:
            statuses[name] = _refused(problems[name], pool.metadata.generation, view, at)
        else:
            statuses[name] = _status(pool, view, held, placed, watts, at)
    return statuses


def _status(
    pool: InferencePool,
    view: ClusterView,
    held: Held,
    placed: Placed,
    watts: tuple[Watts, Watts],
    at: str,
) -> InferencePoolStatus:
    name, generation = full_name(pool), pool.metadata.generation
    replicas = view.replicas.get(name, ()) if view.clustered else _listed(pool)
    seen = [_endpoint(each, view, held, placed) for each in replicas]
    staying = [each for each, replica in zip(seen, replicas, strict=True) if not _leaving(replica)]
    ready = sum(1 for each in staying if each.ready)
    wanted = sources.wanted(pool, view) if view.clustered else len(replicas)
    reason, message = _verdict(pool, view, staying, wanted)
    condition = Condition(
        type="Ready",
        status=ConditionStatus.TRUE if reason == "AllReplicasAnswer" else ConditionStatus.FALSE,
        reason=reason,
        message=message,
        observed_generation=generation,
    )
    gpus = {(each.node, uuid) for each in replicas for uuid in each.gpus}
    gpus |= {(part.pod.node, uuid) for each in replicas for part in each.workers for uuid in part.gpus}
    if not view.clustered:
        gpus = {(each.node, uuid) for each in pool.spec.endpoints for uuid in each.gpus}
    return InferencePoolStatus(
        observed_generation=generation,
        replicas=len(staying),
        ready_replicas=ready,
        ready=f"{ready}/{wanted}",
        selector=sources.selector(pool, view),
        endpoints=tuple(sorted(seen, key=lambda each: each.name)[:MOST_ENDPOINTS]),
        cap_watts=tenths(_sum(watts[0], gpus)),
        draw_watts=tenths(_sum(watts[1], gpus)),
        conditions=stamped([accepted(generation), condition], view.pools.get(name), at),
    )


def _listed(pool: InferencePool) -> tuple[Replica, ...]:
    return tuple(Replica(each.name, each.node, each.url, each.gpus) for each in pool.spec.active())


def _leaving(replica: Replica) -> bool:
    return replica.pod is not None and replica.pod.leaving


def _endpoint(replica: Replica, view: ClusterView, held: Held, placed: Placed) -> EndpointStatus:
    parts = [(replica.node, replica.gpus), *((each.pod.node, each.gpus) for each in replica.workers)]
    reason = _reason(replica, view, placed)
    runs = replica.pod is None or (replica.pod.ready and not replica.pod.leaving)
    ours = reason.partition(":")[0] not in SHARED
    held_back = any(_held_back(node, gpus, view, held) for node, gpus in parts)
    if not reason and held_back and view.clustered:
        reason = "UncappedGpus: its GPUs are not read back under the limits of an enforced domain yet"
    return EndpointStatus(
        name=replica.name,
        url=replica.url,
        node=replica.node,
        gpus=replica.gpus[:MOST_GPUS],
        ready=not reason,
        traffic=runs and ours and bool(replica.url) and not held_back,
        reason=reason[:LONGEST_REASON],
    )


def _held_back(name: str, gpus: tuple[str, ...], view: ClusterView, held: Held) -> bool:
    """Whether GPUs of a node may get no work: a domain above them is enforced, and they are not read back."""
    if name not in held.tree.hangs_on or not held.tree.enforced(name):
        return False
    node = view.nodes.get(name)
    return node is None or not gpus or not capped(node, gpus)


def _reason(replica: Replica, view: ClusterView, placed: Placed) -> str:
    """Return why a replica is not ready, or nothing."""
    if replica.pod is not None and replica.pod.full_name in placed.placements:
        placement = placed.placements[replica.pod.full_name]
        if placement.why is Why.FITS:
            return f"Placed: {placement.detail}"
        return f"{placement.why}: {placement.detail}"
    if replica.reason:
        return replica.reason
    node = view.nodes.get(replica.node)
    if not view.clustered and replica.node not in view.fleet.nodes():
        return f"NodeNotOptedIn: node {replica.node} stands in no PowerDomain"
    if node is None or node.readings is None:
        return f"AgentAway: the agent of node {replica.node} does not answer"
    there = {sample.uuid for sample in node.readings.gpus}
    absent = [uuid for uuid in replica.gpus if uuid not in there]
    return f"GpuNotFound: node {replica.node} has no GPU {absent[0]}" if absent else ""


def _verdict(
    pool: InferencePool, view: ClusterView, seen: Sequence[EndpointStatus], wanted: int
) -> tuple[str, str]:
    """Return reason and message of the condition Ready."""
    absent = sources.missing(pool, view) if view.clustered else ""
    if absent:
        return "WorkloadMissing", absent
    refused = _refused_child(pool, view)
    if refused:
        return "WorkloadRefused", refused
    if wanted == 0:
        return "NoReplicas", "spec.replicas is 0" if pool.spec.replicas == 0 else "nothing is wanted there"
    if not seen:
        return "NoPods", f"no pod has the labels {sources.selector(pool, view)}"
    problems = sorted((each for each in seen if each.reason), key=_gravity)
    if problems:
        word, _, detail = problems[0].reason.partition(": ")
        others = len(problems) - 1
        more = f"; {others} more {'are' if others > 1 else 'is'} not ready" if others else ""
        return word, f"replica {problems[0].name}: {detail or word}{more}"
    if len(seen) < wanted:
        return "TooFewReplicas", f"{len(seen)} of {wanted} replicas are there"
    return "AllReplicasAnswer", "the engine and the GPUs of every replica answer"


def _refused_child(pool: InferencePool, view: ClusterView) -> str:
    """Return why the API server did not take a pool's Deployment, or its scale, in the last pass."""
    key = sources.key(pool)
    if key is None:
        return ""
    of = about(*key)
    return view.failed.get(f"Apply {of}") or view.failed.get(f"Scale {of}") or ""


def _gravity(endpoint: EndpointStatus) -> int:
    word = endpoint.reason.partition(":")[0]
    return GRAVEST.index(word) if word in GRAVEST else len(GRAVEST)


def _refused(problem: Problem, generation: int, view: ClusterView, at: str) -> InferencePoolStatus:
    ready = Condition(
        type="Ready",
        status=ConditionStatus.FALSE,
        reason=problem.reason,
        message=worded(problem),
        observed_generation=generation,
    )
    before = view.pools.get(problem.name)
    conditions = stamped([accepted(generation, problem), ready], before, at)
    if before is None:
        return InferencePoolStatus(observed_generation=generation, conditions=conditions)
    return before.model_copy(update={"observed_generation": generation, "conditions": conditions})


def _limits(view: ClusterView) -> Watts:
    return {
        (node.name, gpu.uuid): gpu.enforced_watts
        for node in view.nodes.values()
        if node.status is not None
        for gpu in node.status.gpus
        if gpu.enforced_watts is not None
    }


def _draws(view: ClusterView) -> Watts:
    return {
        (node.name, sample.uuid): sample.watts
        for node in view.nodes.values()
        if node.readings is not None
        for sample in node.readings.gpus
    }


def _sum(watts: Watts, gpus: Iterable[tuple[str, str]]) -> float | None:
    """Return the sum over some GPUs, or None while one of them is not known."""
    known = [watts.get(gpu) for gpu in gpus]
    there = [each for each in known if each is not None]
    return math.fsum(there) if len(there) == len(known) else None
