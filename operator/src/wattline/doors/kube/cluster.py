"""The Kubernetes door of the reconcile loop, for one leader: what it sees there and what it writes.

Fenced twice (see `lease`): no write begins once our right to lead has ended; and orders say the generation of the
order they replace, statuses the resourceVersion of the object they speak of, so that a write under way is refused
after the next leader's first.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from wattline.api.agentworkflow import AgentWorkflow, AgentWorkflowStatus
from wattline.api.inferencepool import InferencePool, InferencePoolStatus
from wattline.api.powerdomain import PowerDomain, PowerDomainStatus
from wattline.api.powernode import PowerNode, PowerNodeSpec
from wattline.doors.clock import Clock
from wattline.doors.kube.acts import Acts
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Conflict, Invalid, NotFound, Superseded
from wattline.doors.kube.events import Events
from wattline.doors.kube.lease import DomainLeases, Fence
from wattline.doors.kube.reads import Stored, job, status, stored
from wattline.doors.kube.resources import (
    AGENT_WORKFLOWS,
    INFERENCE_POOLS,
    JOBS,
    KNOWN,
    NODES,
    PODS,
    POWER_DOMAINS,
    POWER_NODES,
    Json,
    Resource,
    key_of,
)
from wattline.doors.kube.statuses import Statuses
from wattline.doors.kube.watched import OrderStored, Watched
from wattline.model.actions import Action
from wattline.model.cluster import Broken, ClusterView, JobSeen, NodeView
from wattline.model.fleet import Fleet
from wattline.model.runnames import RUN, STEP

log = logging.getLogger("wattline.kube")

Declared = TypeVar("Declared", PowerDomain, InferencePool, AgentWorkflow)

DEPLOYMENTS = KNOWN["apps/v1", "Deployment"]
GATEWAY_POOLS = KNOWN["inference.networking.k8s.io/v1", "InferencePool"]


class KubeCluster:
    """Objects of a Kubernetes cluster, seen whole and written as the leader of one epoch."""

    def __init__(
        self,
        kube: Kube,
        watched: Watched,
        fence: Fence,
        leases: DomainLeases,
        events: Events,
        clock: Clock,
        *,
        lease_seconds: float,
        image: str = "",
        image_pull_policy: str = "",
        gateway: str = "",
    ) -> None:
        self._kube = kube
        self._watched = watched
        self._fence = fence
        self._leases = leases
        self._lease_seconds = lease_seconds
        self._image = image
        self._image_pull_policy = image_pull_policy
        self._gateway = gateway
        self._statuses = Statuses(kube, clock, fence.check)
        self._acts = Acts(kube, clock, events, fence.check, self._regarding, self._there)
        self._parsed: dict[str, tuple[str, Any]] = {}
        """By uid: the version that was parsed, and what came of it."""
        self._declared: dict[tuple[str, str], Json] = {}
        """By kind and full name: users' objects as they stood at the last snapshot."""
        self._orders: dict[str, OrderStored] = {}
        self._taken: set[str] = set()
        """PowerNodes that carry our epoch because we took them over."""
        self._view = ClusterView(Fleet(), fence.epoch)

    async def snapshot(self) -> ClusterView:
        """Return every object, whole, or raise `ClusterError`.

        Users' objects are listed anew, so that a pass never decides on less than it was nudged by; what changes
        often comes from copies that are followed.
        """
        self._fence.check()
        self._watched.check()
        self._declared, seen = {}, set[str]()
        domains, broken_domains = await self._list(PowerDomain, POWER_DOMAINS, seen)
        pools, broken_pools = await self._list(InferencePool, INFERENCE_POOLS, seen)
        workflows, broken_workflows = await self._list(AgentWorkflow, AGENT_WORKFLOWS, seen)
        jobs = await self._jobs() if workflows else {}
        self._parsed = {uid: made for uid, made in self._parsed.items() if uid in seen}
        self._statuses.keep(seen)
        workloads = await self._watched.workloads(_kinds(pools.values()))
        self._orders = self._watched.orders()
        self._heard()
        self._view = ClusterView(
            fleet=Fleet(tuple(domains.values()), tuple(pools.values()), tuple(workflows.values())),
            epoch=self._fence.epoch,
            nodes={name: _node(name, order) for name, order in sorted(self._orders.items())},
            domains=self._said(PowerDomain, domains),
            pools=self._said(InferencePool, pools),
            pods=dict(self._watched.pods),
            machines=dict(self._watched.machines),
            workloads=workloads,
            jobs=jobs,
            broken=(*broken_domains, *broken_pools, *broken_workflows),
            failed=self._acts.failed,
            clustered=True,
            image=self._image,
            image_pull_policy=self._image_pull_policy,
            gateway=self._gateway,
        )
        return self._view

    def _heard(self) -> None:
        """Raise `Superseded` where an agent has heard a newer epoch than ours: it would hear nothing that we say.

        So it is where an earlier installation was removed with its lease and its PowerNodes, and nodes remember
        it; the next term begins above what they speak of.
        """
        for name, order in self._orders.items():
            answer = order.thing.status if isinstance(order, Stored) else None
            if answer is not None and answer.epoch > self._fence.epoch:
                raise Superseded(
                    f"the agent of {name} has heard epoch {answer.epoch}, ours is {self._fence.epoch}"
                )

    async def report(
        self,
        domains: Mapping[str, PowerDomainStatus],
        pools: Mapping[str, InferencePoolStatus],
        workflows: Mapping[str, AgentWorkflowStatus],
    ) -> None:
        """Apply the statuses that say something new; those of objects that are gone by now are left out."""
        epoch = self._fence.epoch
        for name, domain in domains.items():
            await self._report(PowerDomain, POWER_DOMAINS, name, domain.model_copy(update={"epoch": epoch}))
        for name, pool in pools.items():
            await self._report(InferencePool, INFERENCE_POOLS, name, pool)
        for name, workflow in workflows.items():
            await self._report_workflow(name, workflow)

    async def order(self, node: str, spec: PowerNodeSpec) -> bool:
        """Write a node's order if it differs from the last, over the very order that was decided on; one that
        cannot be read stays as it is, for only that may be known of what its agent does.
        """
        was = self._orders.get(node)
        body = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
        if isinstance(was, Broken):
            log.error("PowerNode %s cannot be read, its order stands: %s", node, was.message)
            return False
        if was is not None and was.thing.spec == spec:
            return False
        if was is not None and was.thing.spec.epoch > self._fence.epoch:
            raise Superseded(
                f"PowerNode {node} carries epoch {was.thing.spec.epoch}, ours is {self._fence.epoch}"
            )
        self._fence.check()
        if was is None:
            made = {
                "apiVersion": POWER_NODES.api_version,
                "kind": POWER_NODES.kind,
                "metadata": {"name": node},
            }
            raw = await self._kube.create(POWER_NODES, {**made, "spec": body})
        else:
            meta = was.thing.metadata
            raw = await self._rewrite(node, meta.uid, meta.generation, "/spec", body)
        self._took(node, raw)
        return True

    async def perform(self, actions: Sequence[Action]) -> None:
        """Carry out what else was decided; one that is refused is said and left to a later pass."""
        orders = {
            name: (each.thing.metadata.uid, each.version)
            for name, each in self._orders.items()
            if isinstance(each, Stored)
        }
        await self._acts.do(actions, orders)

    async def renew(self, lease: str) -> None:
        """Extend the life of the orders under a root domain."""
        await self._leases.renew(lease, self._lease_seconds)

    async def take_over(self) -> None:
        """Write our epoch into every PowerNode there is, before the first pass; so no earlier leader's write,
        decided on what stood there before, is taken any more. It may be tried again.
        """
        orders, _ = await self._kube.all(POWER_NODES)
        for raw in orders:
            name, epoch = raw["metadata"]["name"], int(raw["spec"].get("epoch") or 0)
            if name in self._taken and epoch == self._fence.epoch:
                continue
            if epoch >= self._fence.epoch:
                raise Superseded(f"PowerNode {name} carries epoch {epoch}, ours is {self._fence.epoch}")
            self._fence.check()
            uid, generation = raw["metadata"]["uid"], raw["metadata"]["generation"]
            try:
                new = await self._rewrite(name, uid, generation, "/spec/epoch", self._fence.epoch)
                self._took(name, new)
            except NotFound:
                continue
            self._taken.add(name)

    async def _rewrite(self, node: str, uid: str, generation: int, path: str, value: Any) -> Json:
        """Change a PowerNode's spec if it is still the one that was decided on; what its agent answers meanwhile
        does not matter.
        """
        steps: list[Json] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/metadata/generation", "value": generation},
            {"op": "add", "path": path, "value": value},
        ]
        try:
            return await self._kube.edit(POWER_NODES, node, steps)
        except Invalid as error:
            meta = (await self._kube.get(POWER_NODES, node))["metadata"]
            if (meta["uid"], meta["generation"]) == (uid, generation):
                raise
            raise Conflict(f"PowerNode {node} was ordered anew since generation {generation}") from error

    def _took(self, node: str, raw: Json) -> None:
        order = stored(PowerNode, raw)
        self._orders[node] = order
        if isinstance(order, Stored):
            self._watched.wrote(order)

    async def _list(
        self, model: type[Declared], resource: Resource, seen: set[str]
    ) -> tuple[dict[str, Declared], list[Broken]]:
        """Return the objects of a kind by full name, sorted, and those that cannot be read."""
        items, _ = await self._kube.all(resource)
        found: dict[str, Declared] = {}
        broken: list[Broken] = []
        for raw in sorted(items, key=key_of):
            meta = raw["metadata"]
            seen.add(meta["uid"])
            self._declared[model.__name__, key_of(raw)] = raw
            version, made = self._parsed.get(meta["uid"], ("", None))
            if version != meta["resourceVersion"]:
                made = stored(model, raw)
                self._parsed[meta["uid"]] = (meta["resourceVersion"], made)
            if isinstance(made, Broken):
                broken.append(made)
            elif isinstance(made, Stored):
                found[key_of(raw)] = made.thing
        return found, broken

    def _said(self, model: type[Declared], read: Mapping[str, Declared]) -> dict[str, Any]:
        """Return the statuses of a kind as they stand, also of objects that cannot be read."""
        found = {
            name: read[name].status if name in read else status(model, raw)
            for (kind, name), raw in self._declared.items()
            if kind == model.__name__
        }
        return {name: said for name, said in found.items() if said is not None}

    async def _report(
        self,
        model: type[Declared],
        resource: Resource,
        name: str,
        now: PowerDomainStatus | InferencePoolStatus,
    ) -> None:
        raw = self._declared.get((model.__name__, name))
        if raw is None:
            return
        try:
            await self._statuses.write(resource, raw, status(model, raw), now)
        except NotFound:
            return

    async def _report_workflow(self, name: str, now: AgentWorkflowStatus) -> None:
        """Apply our part of a workflow's status; its runner writes the other at any time, so no version is asked for."""
        raw = self._declared.get((AgentWorkflow.__name__, name))
        if raw is None:
            return
        meta = {key: value for key, value in raw["metadata"].items() if key != "resourceVersion"}
        was = status(AgentWorkflow, raw)
        before = None if was is None else was.model_copy(update={"run": None})
        try:
            await self._statuses.write(AGENT_WORKFLOWS, {**raw, "metadata": meta}, before, now)
        except (NotFound, Conflict):  # it is gone, or another one of its name has come
            return

    async def _jobs(self) -> dict[str, JobSeen]:
        """Return the Jobs of workflows' runs; those of their steps are the runners' affair."""
        items, _ = await self._kube.all(JOBS, labels=f"{RUN},!{STEP}")
        return {key_of(raw): job(raw) for raw in items}

    def _regarding(self, kind: str, namespace: str | None, name: str) -> Json:
        """Return how an Event names an object."""
        full = name if namespace is None else f"{namespace}/{name}"
        api_version = next((known.api_version for known in KNOWN.values() if known.kind == kind), "v1")
        if (kind, full) in self._declared:
            api_version = POWER_DOMAINS.api_version
        named: Json = {"apiVersion": api_version, "kind": kind, "name": name}
        if namespace is not None:
            named["namespace"] = namespace
        uid = self._uid(kind, namespace or "", name, full)
        return {**named, "uid": uid} if uid else named

    def _uid(self, kind: str, namespace: str, name: str, full: str) -> str:
        view = self._view
        if (kind, full) in self._declared:
            return str(self._declared[kind, full]["metadata"]["uid"])
        if kind == PODS.kind:
            return view.pods[full].uid if full in view.pods else ""
        if kind == NODES.kind:
            return view.machines[name].uid if name in view.machines else ""
        if kind == POWER_NODES.kind:
            order = self._orders.get(name)
            return order.thing.metadata.uid if isinstance(order, Stored) else ""
        seen = view.workloads.get((kind, namespace, name))
        return seen.uid if seen is not None else ""

    def _there(self, kind: str, namespace: str, name: str) -> bool:
        """Whether something we made is seen to be there; what is not watched never is."""
        if kind == JOBS.kind:
            return f"{namespace}/{name}" in self._view.jobs
        return (kind, namespace, name) in self._view.workloads


def _node(name: str, order: OrderStored) -> NodeView:
    if isinstance(order, Broken):
        return NodeView(name, generation=order.generation)
    return NodeView(name, order.thing.spec, order.thing.metadata.generation, order.thing.status)


def _kinds(pools: Any) -> list[Resource]:
    """Return the kinds of workloads that pools speak of."""
    kinds: dict[Resource, None] = {}
    for pool in pools:
        kinds[DEPLOYMENTS] = None  # a pool may have had a template before
        if pool.spec.pool_ref is not None:
            kinds[GATEWAY_POOLS] = None
        if (ref := pool.spec.workload_ref) is not None:
            known = KNOWN.get((ref.api_version, ref.kind))
            if known is not None:
                kinds[known] = None
    return list(kinds)
