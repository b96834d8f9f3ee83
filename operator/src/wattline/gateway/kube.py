"""Source of a cluster: pools, workflows and nodes as the API server tells them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeVar

from pydantic import ValidationError

from wattline.api.agentworkflow import AgentWorkflow
from wattline.api.inferencepool import InferencePool
from wattline.api.powernode import PowerNodeStatus
from wattline.doors.clock import Clock
from wattline.doors.kube.access import Access
from wattline.doors.kube.cache import Cache
from wattline.doors.kube.client import Kube, session
from wattline.doors.kube.resources import (
    AGENT_WORKFLOWS,
    INFERENCE_POOLS,
    POWER_NODES,
    Json,
    Resource,
    key_of,
)
from wattline.gateway.served import Served, ServedPool

T = TypeVar("T")

log = logging.getLogger(__name__)

MANAGER = "wattline-gateway"
"""Who we are to the API server; the gateway writes nothing there."""

SETTLE_SECONDS = 0.1
"""Changes that come closer together are taken as one, in wall seconds."""

FIRST_SECONDS = 1.0
"""How often it is looked whether everything is known, until it is, in wall seconds."""

LOOK_SECONDS = 5.0
"""How often a broken watch is looked at, in wall seconds, to say so once."""


class KubeSource:
    """Watches the API server; while that is away, everything stays as it was last told."""

    engines_first = False

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._clock = clock
        self._changed = asyncio.Event()
        self._told = False
        self._good: dict[str, ServedPool | AgentWorkflow] = {}
        """Objects as they were when they could last be read."""
        self._pools = self._cache(kube, INFERENCE_POOLS, self._pool)
        self._workflows = self._cache(kube, AGENT_WORKFLOWS, self._workflow)
        self._nodes = self._cache(kube, POWER_NODES, _agent)

    @property
    def known(self) -> bool:
        """Whether everything was seen and told once."""
        return self._told

    def first(self) -> Served:
        """Return nothing: what there is comes with the first change."""
        return Served()

    async def changes(self, take: Callable[[Served], None]) -> None:
        """Watch and tell, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for cache in (self._pools, self._workflows, self._nodes):
                tasks.create_task(cache.run())
            tasks.create_task(self._complain())
            while True:
                # a kind that is not installed says nothing, so it is looked for
                await self._clock.sleep_until(self._clock.now() + FIRST_SECONDS, or_set=self._changed)
                await self._clock.sleep_until(self._clock.now() + SETTLE_SECONDS)
                changed = self._changed.is_set()
                self._changed.clear()
                seen = self._pools.synced and (self._workflows.synced or self._workflows.absent)
                if seen and (changed or not self._told):
                    take(self._served())
                    self._told = True

    def agents(self) -> Mapping[str, str]:
        """Return the address of every node's agent, by node."""
        return self._nodes.items

    def _served(self) -> Served:
        pools = sorted(self._pools.items.items())
        workflows = sorted(self._workflows.items.items())
        return Served(tuple(pool for _, pool in pools), tuple(each for _, each in workflows))

    async def _complain(self) -> None:
        """Say once when a watch breaks and once when it goes on."""
        said: dict[str, str] = {}
        while True:
            for cache in (self._pools, self._workflows, self._nodes):
                kind = cache.resource.plural
                if cache.problem and kind not in said:
                    log.warning("%s stand as they were last told: %s", kind, cache.problem)
                    said[kind] = cache.problem
                elif not cache.problem and said.pop(kind, ""):
                    log.info("%s are told again", kind)
            await self._clock.sleep_until(self._clock.now() + LOOK_SECONDS)

    def _cache(self, kube: Kube, resource: Resource, project: Callable[[Json], T | None]) -> Cache[T]:
        return Cache(
            kube,
            resource,
            project,
            self._clock,
            on_change=lambda key, _, now: self._heard(f"{resource.plural}/{key}", gone=now is None),
            on_synced=self._changed.set,
        )

    def _heard(self, key: str, *, gone: bool) -> None:
        if gone:
            self._good.pop(key, None)
        self._changed.set()

    def _pool(self, thing: Json) -> ServedPool | None:
        key = f"{INFERENCE_POOLS.plural}/{key_of(thing)}"
        try:
            served = ServedPool.of_object(
                InferencePool.model_validate(thing), str(thing["metadata"].get("creationTimestamp", ""))
            )
        except ValidationError as error:
            return self._unreadable(key, error, ServedPool)
        self._good[key] = served
        return served

    def _workflow(self, thing: Json) -> AgentWorkflow | None:
        key = f"{AGENT_WORKFLOWS.plural}/{key_of(thing)}"
        try:
            workflow = AgentWorkflow.model_validate(thing)
        except ValidationError as error:
            return self._unreadable(key, error, AgentWorkflow)
        self._good[key] = workflow
        return workflow

    def _unreadable(self, key: str, error: ValidationError, kind: type[T]) -> T | None:
        """Return the last of an object that could be read."""
        first = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"])
        log.warning("%s cannot be read and stays as it was: %s: %s", key, where, first["msg"])
        known = self._good.get(key)
        return known if isinstance(known, kind) else None


def _agent(thing: Json) -> str | None:
    """Return where a node's agent serves."""
    try:
        status = PowerNodeStatus.model_validate(thing.get("status") or {})
    except ValidationError:
        return None
    return status.address or None


@contextlib.asynccontextmanager
async def watching(access: Access, clock: Clock) -> AsyncIterator[KubeSource]:
    """Give a source for as long as the block runs."""
    async with session(access, MANAGER) as connections:
        yield KubeSource(Kube(connections, access, manager=MANAGER), clock)
