"""Events for decisions that people should see: each is said once, when it is decided."""

from collections import Counter
from collections.abc import Iterator, Mapping

from wattline.api.agentworkflow import AgentWorkflowStatus
from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import EndpointStatus, InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.api.powernode import PowerNodeSpec
from wattline.controller.heat import hardware_said
from wattline.controller.placement import Placed
from wattline.model.actions import Say
from wattline.model.cluster import ClusterView
from wattline.model.fleet import full_name
from wattline.policy.place import Why

EXPECTED = ("Observing", "NoReplicas", "Starting", "Started", "RunningStep")
"""Reasons of conditions that are false for a while, as they should be."""


MOST_WAITING = 10
"""So many pods of a pool are told in one pass what they wait for; its condition says it for all."""


def said(
    view: ClusterView,
    domains: Mapping[str, PowerDomainStatus],
    pools: Mapping[str, InferencePoolStatus],
    orders: Mapping[str, PowerNodeSpec],
    placed: Placed,
) -> Iterator[Say]:
    """Yield an Event per condition that changed, pod let through, replica cut off, and node taken or given back, and
    for hardware that slows itself down.
    """
    for name, domain in domains.items():
        yield from _changes("PowerDomain", None, name, domain, view.domains.get(name))
    for full, pool in pools.items():
        namespace, _, name = full.rpartition("/")
        before = view.pools.get(full)
        yield from _changes("InferencePool", namespace or None, name, pool, before)
        yield from _traffic(namespace or None, name, pool, before)
    yield from _places(view, pools, placed)
    yield from _orders(view, orders)
    yield from hardware_said(view.nodes)


def workflows_said(view: ClusterView, workflows: Mapping[str, AgentWorkflowStatus]) -> Iterator[Say]:
    """Yield an Event per condition of a workflow that changed."""
    before = {full_name(each): each.status for each in view.fleet.workflows}
    for full, now in workflows.items():
        namespace, _, name = full.rpartition("/")
        yield from _changes("AgentWorkflow", namespace or None, name, now, before.get(full))


def _changes(
    kind: str,
    namespace: str | None,
    name: str,
    now: PowerDomainStatus | InferencePoolStatus | AgentWorkflowStatus,
    before: PowerDomainStatus | InferencePoolStatus | AgentWorkflowStatus | None,
) -> Iterator[Say]:
    old = {} if before is None else {each.type: each for each in before.conditions}
    told: set[str] = set()
    for each in now.conditions:
        if _same(each, old.get(each.type)) or each.reason in told:
            continue
        # "Accepted" and "Observing" from the start are what everybody expects; nobody has to be told
        if each.type not in old and (each.status is ConditionStatus.TRUE or each.reason == "Observing"):
            continue
        told.add(each.reason)
        bad = each.status is ConditionStatus.FALSE and each.reason not in {"Observing", "NoReplicas"}
        yield Say(kind, namespace, name, each.reason, f"{each.type} is {each.status}: {each.message}", bad)


def _same(now: Condition, was: Condition | None) -> bool:
    return was is not None and (now.status, now.reason) == (was.status, was.reason)


def _traffic(
    namespace: str | None, name: str, now: InferencePoolStatus, before: InferencePoolStatus | None
) -> Iterator[Say]:
    """Yield the replicas that ran and get no work now, or get work again."""
    old: dict[str, EndpointStatus] = {} if before is None else {each.name: each for each in before.endpoints}
    for each in now.endpoints:
        was = old.get(each.name)
        if was is None or was.traffic == each.traffic:
            continue
        word, _, detail = each.reason.partition(": ")
        if each.traffic:
            yield Say("InferencePool", namespace, name, "TrafficAllowed", f"replica {each.name} may get work")
        elif word == "UncappedGpus":
            yield Say(
                "InferencePool",
                namespace,
                name,
                "TrafficWithheld",
                f"replica {each.name} gets no work: {detail}",
                warning=True,
            )


def _places(view: ClusterView, pools: Mapping[str, InferencePoolStatus], placed: Placed) -> Iterator[Say]:
    said: Counter[str] = Counter()
    owner = {
        replica.pod.full_name: (pool, replica.name)
        for pool, replicas in view.replicas.items()
        for replica in replicas
        if replica.pod is not None
    }
    for full, placement in placed.placements.items():
        namespace, _, name = full.partition("/")
        if placement.why is Why.NOT_ITS_TURN:
            continue
        if placement.why is Why.FITS:
            where = ", ".join(placement.nodes[:5]) + (" …" if len(placement.nodes) > 5 else "")
            yield Say("Pod", namespace, name, "Placed", f"may go to {where}: {placement.detail}")
            continue
        pool, replica = owner.get(full, ("", ""))
        before = view.pools.get(pool)
        old = {} if before is None else {e.name: e.reason.partition(":")[0] for e in before.endpoints}
        if pool in pools and old.get(replica) != placement.why and said[pool] < MOST_WAITING:
            said[pool] += 1
            yield Say("Pod", namespace, name, placement.why, placement.detail, warning=True)


def _orders(view: ClusterView, orders: Mapping[str, PowerNodeSpec]) -> Iterator[Say]:
    for name, now in orders.items():
        was = view.nodes[name].spec if name in view.nodes else None
        took = was is not None and was.enforce
        if now.enforce and not took:
            message = f"the GPUs are held under {now.domain}: {now.budget_watts:.0f} W together"
            yield Say("Node", None, name, "GpusHeld", message)
        elif took and not now.enforce:
            yield Say("Node", None, name, "GpusReleased", "the GPUs are put back to what they were before")
