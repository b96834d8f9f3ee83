"""Every metric that a part exports, as its collector tells it."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp
from prometheus_client.core import Metric

from wattline.api.powernode import NodeState
from wattline.controller.balance import Pass
from wattline.controller.decide import Decisions
from wattline.controller.metrics import BalanceCollector
from wattline.controller.requests import Requests
from wattline.controller.tally import Tally
from wattline.doors.clock import BootClock, utc
from wattline.gateway.metrics import GatewayMetrics
from wattline.gateway.proxy import Proxy
from wattline.gateway.served import Served
from wattline.gateway.service import Gateway
from wattline.gateway.settings import Settings
from wattline.model.cluster import ClusterView
from wattline.model.fleet import Fleet
from wattline_agent.messages import View
from wattline_agent.metrics import AgentCollector
from wattline_agent.pods import Mapped


@dataclass(frozen=True, slots=True)
class Exported:
    """One metric, by the name a query asks for."""

    name: str
    kind: str
    """gauge, counter or histogram."""
    labels: tuple[str, ...]
    help: str

    def series(self) -> Mapping[str, frozenset[str]]:
        """Return the names of its series, each with its labels."""
        labels = frozenset(self.labels)
        if self.kind != "histogram":
            return {self.name: labels}
        return {
            f"{self.name}_bucket": labels | {"le"},
            f"{self.name}_sum": labels,
            f"{self.name}_count": labels,
        }


def catalogue() -> dict[str, tuple[Exported, ...]]:
    """Return the metrics of each part: what its collector yields where there is nothing yet to tell of."""
    return {
        "operator": _exported([*BalanceCollector(_tally(), lambda: 0.0).collect(), *Requests().collect()]),
        "gateway": _exported(asyncio.run(_gateway())),
        "node agent": _exported(_agent()),
    }


def series() -> dict[str, frozenset[str]]:
    """Return every name that may stand in a query, with its labels."""
    return {
        name: labels
        for part in catalogue().values()
        for metric in part
        for name, labels in metric.series().items()
    }


def _exported(families: Iterable[Metric]) -> tuple[Exported, ...]:
    made = []
    for family in families:
        labels: tuple[str, ...] = getattr(family, "_labelnames", ())  # the library keeps them nowhere else
        name = f"{family.name}_total" if family.type == "counter" else family.name
        made.append(Exported(name, family.type, tuple(labels), family.documentation))
    return tuple(sorted(made, key=lambda metric: metric.name))


def _tally() -> Tally:
    tally = Tally()
    tally.ended(Pass(ClusterView(Fleet(), epoch=1), Decisions(), at_seconds=0.0))
    return tally


async def _gateway() -> list[Metric]:
    clock = BootClock()
    async with aiohttp.ClientSession() as session:
        gateway = Gateway(Served(), Settings(), clock, Proxy(session, clock), stamp=utc, speed=1.0)
        return list(GatewayMetrics(gateway).collect())


def _agent() -> Iterable[Metric]:
    view = View(at_seconds=0.0, boot_id="", state=NodeState.OBSERVING)
    return AgentCollector("node", lambda: view, Mapped, lambda: 0.0).collect()
