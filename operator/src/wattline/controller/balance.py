"""The reconcile loop: see, decide, act."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.api.powernode import PowerNodeSpec
from wattline.controller.decide import Decisions, decide
from wattline.doors.clock import Clock
from wattline.model.cluster import ClusterView
from wattline.model.errors import ClusterError
from wattline.model.wire import GpusView

log = logging.getLogger("wattline.balance")

PERIOD_SECONDS = 15.0
"""A pass at least this often, in world seconds."""

PAUSE_SECONDS = 1.0
"""Nudges closer together than this are one."""


class Cluster(Protocol):
    """Where objects are: the Kubernetes API, or a folder of manifests."""

    async def snapshot(self) -> ClusterView:
        """Return every object, whole, or raise `ClusterError`."""

    async def report(
        self, domains: Mapping[str, PowerDomainStatus], pools: Mapping[str, InferencePoolStatus]
    ) -> None:
        """Publish what was seen and decided."""

    async def order(self, node: str, spec: PowerNodeSpec) -> bool:
        """Write a node's order if it differs from the last; return whether it did."""

    async def renew(self, lease: str) -> None:
        """Extend the life of the orders under a root domain."""


class Readings(Protocol):
    """The agents' readings."""

    async def read(self, addresses: Mapping[str, str]) -> Mapping[str, GpusView]:
        """Return the readings of the nodes that answer now."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pass:
    """What the last pass saw and decided; metrics are made from it."""

    view: ClusterView
    decisions: Decisions
    at_seconds: float


async def balance(
    cluster: Cluster,
    agents: Readings,
    clock: Clock,
    nudge: asyncio.Event,
    *,
    stamp: Callable[[], str],
    done: Callable[[Pass], None] = lambda _: None,
) -> None:
    """Run until cancelled; ``nudge`` starts the next pass early, ``stamp`` is the time conditions carry.

    A pass that cannot see or write everything is abandoned: its last decisions stay in force until the leases,
    which it then does not renew, run out. That is said once per cause.
    """
    said = ""
    while True:
        nudge.clear()
        began = clock.now()
        try:
            done(await settle(cluster, agents, clock, stamp()))
        except ClusterError as error:
            if str(error) != said:
                log.error("pass abandoned, the last orders stand until their leases end: %s", error)  # noqa: TRY400 - the cause is the message
            said = str(error)
        else:
            if said:
                log.info("passes go on")
            said = ""
        await clock.sleep_until(began + PAUSE_SECONDS)
        await clock.sleep_until(began + PERIOD_SECONDS, or_set=nudge)


async def settle(cluster: Cluster, agents: Readings, clock: Clock, at: str) -> Pass:
    """Do one pass: statuses, then orders, then leases."""
    view = await cluster.snapshot()
    addresses = {
        node.name: node.status.address for node in view.nodes.values() if node.status and node.status.address
    }
    readings = await agents.read(addresses)
    view = dataclasses.replace(
        view,
        nodes={
            name: dataclasses.replace(node, readings=readings.get(name)) for name, node in view.nodes.items()
        },
    )
    decisions = decide(view, at)
    await cluster.report(decisions.domains, decisions.pools)
    _say_changes(view, decisions)
    for node, spec in decisions.orders.items():
        if await cluster.order(node, spec):
            grant = decisions.grants.get(node)
            why = (
                "put back"
                if spec.release
                else "observe"
                if not spec.enforce
                else grant.detail
                if grant
                else ""
            )
            log.info("%s: budget %.0f W (%s)", node, spec.budget_watts, why)
    for lease in decisions.leases:
        await cluster.renew(lease)
    return Pass(view, decisions, clock.now())


def _say_changes(view: ClusterView, decisions: Decisions) -> None:
    """Log every condition whose status or reason is not what it was."""
    for was, now in ((view.domains, decisions.domains), (view.pools, decisions.pools)):
        for name, status in now.items():
            before = {c.type: (c.status, c.reason) for c in was[name].conditions} if name in was else {}
            for each in status.conditions:
                if before.get(each.type) != (each.status, each.reason):
                    log.info("%s: %s is %s, %s: %s", name, each.type, each.status, each.reason, each.message)
