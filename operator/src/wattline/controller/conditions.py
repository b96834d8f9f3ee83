"""Statuses of what the user declared: conditions, and readings summed."""

import math
from collections.abc import Sequence

from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.model.cluster import ClusterView, NodeView
from wattline.model.fleet import full_name


def stamped(
    conditions: Sequence[Condition], before: PowerDomainStatus | InferencePoolStatus | None, at: str
) -> tuple[Condition, ...]:
    """Return the conditions with the time their status last changed, kept from ``before`` where it did not."""
    old = {} if before is None else {condition.type: condition for condition in before.conditions}
    return tuple(
        condition.model_copy(
            update={
                "last_transition_time": old[condition.type].last_transition_time or at
                if condition.type in old and old[condition.type].status is condition.status
                else at
            }
        )
        for condition in conditions
    )


def accepted(generation: int) -> Condition:
    """Return the condition of an object that was read whole; one that was not stops the pass instead."""
    return Condition(
        type="Accepted",
        status=ConditionStatus.TRUE,
        reason="Valid",
        message="every field and reference holds",
        observed_generation=generation,
    )


def draw_watts(node: NodeView | None) -> float | None:
    """Return the measured draw of a node's GPUs, or None while its agent does not answer."""
    if node is None or node.readings is None:
        return None
    return math.fsum(sample.watts for sample in node.readings.gpus)


def pool_status(pool: InferencePool, view: ClusterView, at: str) -> InferencePoolStatus:
    """Return the status of a pool: which of its active replicas have GPUs that answer."""
    active = pool.spec.active()
    problems = [problem for endpoint in active if (problem := _problem(endpoint, view)) is not None]
    generation = pool.metadata.generation
    reason, message = problems[0] if problems else ("AllReplicasAnswer", "the GPUs of every replica answer")
    if not active:
        reason, message = "NoReplicas", "spec.replicas is 0"
    ready = Condition(
        type="Ready",
        status=ConditionStatus.FALSE if problems or not active else ConditionStatus.TRUE,
        reason=reason,
        message=message if len(problems) < 2 else f"{message}; and {len(problems) - 1} more",
        observed_generation=generation,
    )
    draws = [_draw(endpoint, view) for endpoint in pool.spec.endpoints]
    known = [draw for draw in draws if draw is not None]
    return InferencePoolStatus(
        observed_generation=generation,
        replicas=len(active),
        ready_replicas=len(active) - len(problems),
        draw_watts=math.fsum(known) if len(known) == len(draws) else None,
        conditions=stamped([accepted(generation), ready], view.pools.get(full_name(pool)), at),
    )


def _problem(endpoint: Endpoint, view: ClusterView) -> tuple[str, str] | None:
    node = view.nodes.get(endpoint.node)
    if endpoint.node not in view.fleet.nodes():
        return "NodeNotOptedIn", f"replica {endpoint.name}: node {endpoint.node} stands in no PowerDomain"
    if node is None or node.readings is None:
        return "AgentAway", f"replica {endpoint.name}: the agent of node {endpoint.node} does not answer"
    there = {sample.uuid for sample in node.readings.gpus}
    missing = [uuid for uuid in endpoint.gpus if uuid not in there]
    if missing:
        return "GpuNotFound", f"replica {endpoint.name}: node {endpoint.node} has no GPU {missing[0]}"
    return None


def _draw(endpoint: Endpoint, view: ClusterView) -> float | None:
    node = view.nodes.get(endpoint.node)
    samples = {} if node is None or node.readings is None else {s.uuid: s.watts for s in node.readings.gpus}
    if not all(uuid in samples for uuid in endpoint.gpus):
        return None
    return math.fsum(samples[uuid] for uuid in endpoint.gpus)
