"""Builds the operator process: the reconcile loop on the Kubernetes door, kopf's nudges, leadership, metrics."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from wattline.api.agentworkflow import AgentWorkflow
from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.controller.balance import PERIOD_SECONDS, Pass, balance
from wattline.controller.lead import lead
from wattline.controller.nudges import watch
from wattline.controller.orders import LEASE_SECONDS
from wattline.controller.requests import Requests
from wattline.controller.tally import Tally
from wattline.controller.web import app, serve
from wattline.doors.agents import Agents
from wattline.doors.clock import BootClock, utc, utc_micros
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline.doors.kube.cluster import KubeCluster
from wattline.doors.kube.errors import Conflict, Superseded
from wattline.doors.kube.events import Events
from wattline.doors.kube.lease import DomainLeases, Election, Fence
from wattline.doors.kube.resources import AGENT_WORKFLOWS, INFERENCE_POOLS, POWER_DOMAINS
from wattline.doors.kube.watched import Watched
from wattline.model.errors import ClusterError
from wattline.model.journal import Journal
from wattline.model.names import LEADER, MANAGER

log = logging.getLogger("wattline.operator")

LOOK_SECONDS = 1.0
"""How often something that is not there yet is asked for again."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What differs from one operator process to the next."""

    namespace: str
    """Where its own things are."""
    identity: str
    """Who it is among the operators; different for each start."""
    listen: tuple[str, int] | None = None
    image: str = ""
    """Image of our containers in pods of templates, and of the runners of workflows."""
    image_pull_policy: str = ""
    """When nodes pull that image; as the cluster has it when empty."""
    gateway: str = ""
    """Where those runners reach the gateway; the Service of the chart when empty."""


class Operator:
    """One operator process; `run` until told to stop."""

    def __init__(self, access: Access, wiring: Wiring, clock: BootClock) -> None:
        self._access = access
        self._wiring = wiring
        self._clock = clock
        self._nudge = asyncio.Event()
        self._tally = Tally(leading=False)
        self._journal = Journal(utc)
        self._requests = Requests()
        self._beat_seconds = clock.now()
        self._starting = "kopf is not started yet"
        self._watched: Watched | None = None

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT; then nothing more is written and another operator may lead at once.

        No GPU is put back on the way out: agents hold their last orders until the leases end.
        """
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        health = app(
            self._tally,
            self._clock,
            self._journal,
            alive=self._sick,
            ready=self._unready,
            collectors=(self._requests,),
        )
        runner = web.AppRunner(health, access_log=None)
        await runner.setup()
        try:
            if self._wiring.listen is not None:
                await serve(runner, self._wiring.listen)
            async with session(self._access, MANAGER) as http, aiohttp.ClientSession() as agents:
                await self._parts(stop, http, Agents(agents, self._clock))
        finally:
            await runner.cleanup()

    async def _parts(self, stop: asyncio.Event, http: aiohttp.ClientSession, agents: Agents) -> None:
        kube = Kube(http, self._access, manager=MANAGER, count=self._requests.count)
        watched = self._watched = Watched(kube, self._clock, self._nudge.set)
        election = Election(
            kube,
            self._clock,
            namespace=self._wiring.namespace,
            name=LEADER,
            identity=self._wiring.identity,
            stamp=utc_micros,
        )

        def act(fence: Fence) -> Awaitable[None]:
            return self._act(kube, watched, fence, agents)

        def leads(now: bool) -> None:
            self._beat_seconds = self._clock.now()
            if now:
                self._tally.lead()
            else:
                self._tally.follow()

        async with asyncio.TaskGroup() as tasks:
            parts: list[Coroutine[Any, Any, None]] = [
                watched.run(),
                self._nudges(kube),
                lead(election, watched, self._clock, act, leads=leads),
            ]
            running = [tasks.create_task(part) for part in parts]
            await stop.wait()
            log.info("told to stop")
            for task in reversed(running):
                task.cancel()

    async def _nudges(self, kube: Kube) -> None:
        """Wait until our kinds are installed, then have kopf watch them."""
        said = ""
        while self._starting:
            try:
                for kind in (POWER_DOMAINS, INFERENCE_POOLS, AGENT_WORKFLOWS):
                    await kube.all(kind)
            except ClusterError as error:
                self._starting = str(error)
                if self._starting != said:
                    said = self._starting
                    log.warning("our kinds are not served yet: %s", error)
                await self._clock.sleep_until(self._clock.now() + LOOK_SECONDS)
            else:
                self._starting = ""
        await watch(
            self._access,
            {kind.plural: self._nudge.set for kind in (PowerDomain, InferencePool, AgentWorkflow)},
        )

    async def _act(self, kube: Kube, watched: Watched, fence: Fence, agents: Agents) -> None:
        """Lead one epoch: take over, then balance until superseded."""
        wiring = self._wiring
        leases = DomainLeases(
            kube, namespace=wiring.namespace, identity=wiring.identity, fence=fence, stamp=utc_micros
        )
        events = Events(
            kube,
            self._clock,
            controller=f"wattline.dev/{MANAGER}",
            instance=wiring.identity,
            stamp=utc_micros,
        )
        cluster = KubeCluster(
            kube,
            watched,
            fence,
            leases,
            events,
            self._clock,
            lease_seconds=LEASE_SECONDS,
            image=wiring.image,
            image_pull_policy=wiring.image_pull_policy,
            gateway=wiring.gateway or f"http://wattline-gateway.{wiring.namespace}:8080",
        )
        await self._take_over(cluster)
        await balance(
            cluster,
            agents,
            self._clock,
            self._nudge,
            stamp=utc,
            journal=self._journal,
            done=self._ended,
            abandoned=lambda error: self._abandoned(error, fence),
        )

    async def _take_over(self, cluster: KubeCluster) -> None:
        while True:
            try:
                await cluster.take_over()
            except Superseded:
                raise
            except ClusterError as error:
                log.warning("cannot take the orders over yet: %s", error)
                await self._clock.sleep_until(self._clock.now() + LOOK_SECONDS)
            else:
                return

    def _ended(self, last: Pass) -> None:
        self._beat_seconds = self._clock.now()
        self._tally.ended(last)

    def _abandoned(self, error: ClusterError, fence: Fence) -> None:
        self._beat_seconds = self._clock.now()
        self._tally.abandoned(error)
        if isinstance(error, Superseded):
            fence.end()
        if isinstance(error, Conflict):
            self._nudge.set()  # what was decided on has changed: see it anew, soon

    def _sick(self) -> str:
        """Return what a restart would mend; an API server that is away is not that."""
        age = self._clock.now() - self._beat_seconds
        if self._tally.leading and age > 4 * PERIOD_SECONDS:
            return f"we lead, and no pass has ended for {age:.0f} s"
        return ""

    def _unready(self) -> str:
        """Return what is missing before we could lead."""
        if self._watched is None:
            return "nothing is watched yet"
        return self._watched.problem() or self._starting


async def run(access: Access, wiring: Wiring) -> None:
    """Run one operator process until it is told to stop."""
    await Operator(access, wiring, BootClock()).run()
