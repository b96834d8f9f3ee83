"""The copies the operator keeps of what changes often: nodes, pods, orders with their answers, workloads."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wattline.api.powernode import PowerNode, PowerNodeStatus
from wattline.doors.clock import Clock
from wattline.doors.kube.cache import Cache
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Away
from wattline.doors.kube.reads import Stored, machine, pod, stored, workload
from wattline.doors.kube.resources import NODES, PODS, POWER_NODES, Json, Resource
from wattline.model.cluster import Broken, MachineSeen, PodSeen, WorkloadSeen
from wattline.model.errors import ClusterError
from wattline.model.names import POOL

STALE_SECONDS = 30.0
"""A view that has not been heard of for this long is no base for a decision; ours, two abandoned passes."""

FIRST_LIST_SECONDS = 5.0
"""How long a pass waits for the first list of a kind of workload that a pool has just named."""

LIVE_PODS = "status.phase!=Succeeded,status.phase!=Failed"

OrderStored = Stored[PowerNode] | Broken


class Watched:
    """Caches that outlive leaders; ``nudge`` is called at every change that a pass would want to see."""

    def __init__(self, kube: Kube, clock: Clock, nudge: Callable[[], None]) -> None:
        self._kube = kube
        self._clock = clock
        self._nudge = nudge
        self._machines = Cache(kube, NODES, machine, clock, on_change=self._machine_changed, on_synced=nudge)
        self._pods = Cache(
            kube, PODS, pod, clock, fields=LIVE_PODS, on_change=self._pod_changed, on_synced=nudge
        )
        self._orders: Cache[OrderStored] = Cache(
            kube, POWER_NODES, _order, clock, on_change=self._order_changed, on_synced=nudge
        )
        self._written: dict[str, Stored[PowerNode]] = {}
        """Orders as we wrote them, until the watch has shown them."""
        self._workloads: dict[Resource, Cache[WorkloadSeen]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Keep the copies until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for cache in (self._machines, self._pods, self._orders):
                tasks.create_task(cache.run())

    def problem(self) -> str:
        """Return why the copies are no base for a decision; empty if they are."""
        caches: list[Cache[Any]] = [self._machines, self._pods, self._orders]
        caches += [cache for cache in self._workloads.values() if not cache.absent]
        for cache in caches:
            what = cache.resource.plural
            if not cache.synced:
                return f"{what} are not read yet{f': {cache.problem}' if cache.problem else ''}"
            if cache.broken_seconds() > STALE_SECONDS:
                return (
                    f"{what} are {cache.broken_seconds():.0f} s old: {cache.problem or 'the watch is closed'}"
                )
        return ""

    def check(self) -> None:
        """Raise `ClusterError` if the copies are no base for a decision."""
        if problem := self.problem():
            raise Away(problem)

    @property
    def machines(self) -> Mapping[str, MachineSeen]:
        """Nodes of the cluster by name."""
        return self._machines.items

    @property
    def pods(self) -> Mapping[str, PodSeen]:
        """Pods that have not ended, by namespace/name."""
        return self._pods.items

    def orders(self) -> dict[str, OrderStored]:
        """Return the PowerNodes by name, our own last writes included."""
        found = dict(self._orders.items)
        for name, ours in list(self._written.items()):
            there = found.get(name)
            if isinstance(there, Stored) and int(there.version) >= int(ours.version):
                del self._written[name]
            else:
                found[name] = ours
        return found

    def wrote(self, order: Stored[PowerNode]) -> None:
        """Take in an order that we have just written, before the watch shows it."""
        self._written[order.thing.metadata.name] = order

    def highest_epoch(self) -> int:
        """Return the highest epoch in any order or answer."""
        seen = [each.thing for each in self.orders().values() if isinstance(each, Stored)]
        answered = [each.status.epoch for each in seen if each.status is not None]
        return max([0, *(each.spec.epoch for each in seen), *answered])

    async def workloads(self, kinds: Iterable[Resource]) -> dict[tuple[str, str, str], WorkloadSeen]:
        """Return all workloads of some kinds, which are watched from now on; a kind that is not installed has none."""
        for kind in kinds:
            if kind not in self._workloads:
                await self._begin(kind)
        self.check()
        return {seen.full_name: seen for cache in self._workloads.values() for seen in cache.items.values()}

    async def _begin(self, kind: Resource) -> None:
        if self._tasks is None:
            raise ClusterError("nothing is watched yet")
        ready = asyncio.Event()

        def project(raw: Json) -> WorkloadSeen:
            return workload(raw, kind.api_version, kind.kind)

        def changed(*_: Any) -> None:
            self._nudge()

        cache = Cache(self._kube, kind, project, self._clock, on_change=changed, on_synced=ready.set)
        self._workloads[kind] = cache
        self._tasks.create_task(cache.run())
        end = self._clock.now() + FIRST_LIST_SECONDS
        while not (cache.synced or cache.absent) and self._clock.now() < end:
            await self._clock.sleep_until(min(end, self._clock.now() + 0.1), or_set=ready)

    def _machine_changed(self, _: str, was: MachineSeen | None, now: MachineSeen | None) -> None:
        if any(each is not None and (each.managed or each.held or each.gpus) for each in (was, now)):
            self._nudge()

    def _pod_changed(self, _: str, was: PodSeen | None, now: PodSeen | None) -> None:
        if _plain(was) != _plain(now) and any(_of_interest(each) for each in (was, now)):
            self._nudge()

    def _order_changed(self, name: str, was: OrderStored | None, now: OrderStored | None) -> None:
        if now is None:
            self._written.pop(name, None)
        if not (isinstance(was, Stored) and isinstance(now, Stored) and _answer(was) == _answer(now)):
            self._nudge()


def _order(raw: Json) -> OrderStored:
    return stored(PowerNode, raw)


def _answer(order: Stored[PowerNode]) -> PowerNodeStatus | None:
    """Return an agent's answer without what every one of its heartbeats changes; a pass in its time sees that too."""
    status = order.thing.status
    if status is None:
        return None
    gpus = tuple(gpu.model_copy(update={"read_at_seconds": None}) for gpu in status.gpus)
    return status.model_copy(update={"demand_watts": 0.0, "heat_freed_watts": 0.0, "gpus": gpus})


def _of_interest(pod: PodSeen | None) -> bool:
    """Whether a pod may be a replica: it asks for GPUs, waits for us, or carries our label."""
    return pod is not None and bool(pod.gpus or pod.claims or pod.waits_for_us or POOL in pod.labels)


def _plain(pod: PodSeen | None) -> PodSeen | None:
    return None if pod is None else dataclasses.replace(pod, resource_version="")
