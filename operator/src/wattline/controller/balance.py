"""The reconcile loop: see, decide, act."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from wattline.api.agentworkflow import AgentWorkflowStatus
from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.api.powernode import PowerNodeSpec
from wattline.controller.decide import Decisions, decide
from wattline.controller.replicas import resolve
from wattline.controller.telling import actions_told, conditions_changed, order_reason
from wattline.doors.clock import Clock
from wattline.model.actions import Action
from wattline.model.cluster import ClusterView
from wattline.model.errors import ClusterError
from wattline.model.journal import Journal, about
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
        self,
        domains: Mapping[str, PowerDomainStatus],
        pools: Mapping[str, InferencePoolStatus],
        workflows: Mapping[str, AgentWorkflowStatus],
    ) -> None:
        """Publish what was seen and decided."""

    async def order(self, node: str, spec: PowerNodeSpec) -> bool:
        """Write a node's order if it differs from the last; return whether it did."""

    async def perform(self, actions: Sequence[Action]) -> None:
        """Carry out what else was decided; one that cannot be done now is said and left to a later pass."""

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
    took_seconds: float = 0.0


async def balance(
    cluster: Cluster,
    agents: Readings,
    clock: Clock,
    nudge: asyncio.Event,
    *,
    stamp: Callable[[], str],
    journal: Journal,
    done: Callable[[Pass], None] = lambda _: None,
    abandoned: Callable[[ClusterError], None] = lambda _: None,
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
            done(await settle(cluster, agents, clock, stamp(), journal))
        except ClusterError as error:
            if str(error) != said:
                log.error("pass abandoned, the last orders stand until their leases end: %s", error)  # noqa: TRY400 - the cause is the message
            said = str(error)
            abandoned(error)
        else:
            if said:
                log.info("passes go on")
            said = ""
        await clock.sleep_until(began + PAUSE_SECONDS)
        await clock.sleep_until(began + PERIOD_SECONDS, or_set=nudge)


async def settle(cluster: Cluster, agents: Readings, clock: Clock, at: str, journal: Journal) -> Pass:
    """Do one pass: statuses, then orders, then everything else, then leases."""
    began = clock.now()
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
    view = resolve(view)
    decisions = decide(view, at)
    await cluster.report(decisions.domains, decisions.pools, decisions.workflows)
    changed = tuple(conditions_changed(view, decisions))
    for told in changed:
        _note(journal, *told)
    for node, spec in decisions.orders.items():
        if await cluster.order(node, spec):
            what = f"budget {spec.budget_watts:.0f} W"
            _note(
                journal, about("PowerNode", None, node), what, order_reason(spec, decisions.grants.get(node))
            )
    await cluster.perform(decisions.actions)
    for told in actions_told(decisions.actions, changed):
        _note(journal, *told)
    for lease in decisions.leases:
        await cluster.renew(lease)
    return Pass(view, decisions, clock.now(), clock.now() - began)


def _note(journal: Journal, of: str, what: str, why: str) -> None:
    if journal.note(of, what, why):
        log.info("%s: %s: %s", of, what, why)
