"""Budgets in the simulator: what a static cap would do, and the product's sharing of watts every 15 s.

All domains count as enforced here, whatever their mode: the question is what would happen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum

from wattline.api.base import PowerClass
from wattline.api.powerdomain import PowerDomain
from wattline.model.bounds import limit_for
from wattline.model.fleet import Fleet
from wattline.policy.share import Claim, DomainClaim, Grant, NodeClaim, share
from wattline.sim.events import Events
from wattline.sim.node import Node
from wattline.world.gpu import Gpu

PERIOD_SECONDS = 15.0
ACKNOWLEDGED_SECONDS = 2.0
"""From writing lower budgets to handing out what they freed: an agent's step and its read-back."""


@dataclass(frozen=True, slots=True)
class DomainReport:
    """Results of one power domain."""

    name: str
    budget_watts: float
    """What its budget leaves for GPUs."""
    gpus: int
    mean_watts: float
    """Of its GPUs, from 0 to the end."""
    peak_watts: float
    """Highest 1 s draw of its GPUs together."""
    over_budget_seconds: float


class Budgets:
    """Every domain's budget, and how long it was exceeded."""

    def __init__(
        self,
        fleet: Fleet,
        nodes: Sequence[Node],
        classes: Callable[[str], PowerClass],
        *,
        skip_unchanged: bool = True,
    ) -> None:
        self.over_seconds = 0.0
        self.peak_watts = 0.0
        """Highest 1 s draw of all GPUs together."""
        self._fleet = fleet
        self._nodes = {node.name: node for node in nodes}
        self._classes = classes
        self._skip_unchanged = skip_unchanged
        self._shared: tuple[list[DomainClaim], list[NodeClaim], tuple[Grant, ...]] | None = None
        """Budgets and claims when they were last shared out, and what came of it."""
        self._members = {domain.metadata.name: self._below(domain) for domain in fleet.domains}
        self._watts = {domain.metadata.name: domain.spec.budget.watts for domain in fleet.domains}
        self._over_seconds = dict.fromkeys(self._members, 0.0)
        self._peak_watts = dict.fromkeys(self._members, 0.0)
        self._joules_before = dict.fromkeys(self._members, 0.0)

    def gpu_watts(self, domain: PowerDomain) -> float:
        """Return what of a domain's budget is left for GPUs."""
        budget = domain.spec.budget
        nodes = len(self._members[domain.metadata.name])
        watts = self._watts[domain.metadata.name]
        return watts - budget.reserved_watts - budget.node_overhead_watts * nodes

    def change(self, name: str, watts: float) -> None:
        """Give a domain another budget."""
        self._watts[name] = watts

    def limit_evenly(self) -> None:
        """Give every GPU the same limit, as far as the tightest domain above it allows: a static cap."""
        for node in self._nodes.values():
            shares = []
            for domain in self._fleet.domains_of(node.name):
                count = sum(len(each.gpus) for each in self._members[domain.metadata.name])
                shares.append(self.gpu_watts(domain) / count)
            for gpu in node.gpus.values():
                if shares:
                    gpu.set_limit(limit_for(gpu.product.device_name, min(shares)))

    def share_out(self, events: Events) -> None:
        """Give every node its budget: lower ones now, higher ones once the lower ones are in force."""
        claims = [
            NodeClaim(
                domains[0].metadata.name,
                Claim(
                    name,
                    node.least_watts,
                    node.most_watts,
                    min(max(node.demand_watts, node.least_watts), node.most_watts),
                    self._classes(name),
                    float(len(node.gpus)),
                ),
            )
            for name, node in self._nodes.items()
            if (domains := self._fleet.domains_of(name))
        ]
        pots = [
            DomainClaim(domain.metadata.name, self.gpu_watts(domain), domain.spec.parent)
            for domain in self._fleet.domains
        ]
        raised: list[tuple[Node, float]] = []
        if not self._skip_unchanged or self._shared is None or self._shared[:2] != (pots, claims):
            self._shared = pots, claims, share(pots, claims)
        for grant in self._shared[2]:
            node = self._nodes[grant.name]
            if grant.watts <= node.budget_watts:
                node.budget_watts = grant.watts
            else:
                raised.append((node, grant.watts))

        def raise_budgets() -> None:
            for node, watts in raised:
                node.budget_watts = watts

        events.at(events.now_seconds + ACKNOWLEDGED_SECONDS, raise_budgets)

    def watch(self, seconds: float) -> None:
        """Judge the last second's draw."""
        draw = {name: fsum(gpu.watts for gpu in node.gpus.values()) for name, node in self._nodes.items()}
        self.peak_watts = max(self.peak_watts, fsum(draw.values()))
        exceeded = False
        for domain in self._fleet.domains:
            name = domain.metadata.name
            watts = fsum(draw[node.name] for node in self._members[name])
            self._peak_watts[name] = max(self._peak_watts[name], watts)
            if watts > self.gpu_watts(domain):
                self._over_seconds[name] += seconds
                exceeded = True
        if exceeded:
            self.over_seconds += seconds

    def begin(self) -> None:
        """Count from now on."""
        self.over_seconds = self.peak_watts = 0.0
        self._over_seconds = dict.fromkeys(self._members, 0.0)
        self._peak_watts = dict.fromkeys(self._members, 0.0)
        self._joules_before = self._joules()

    def gpus(self) -> dict[str, tuple[Gpu, ...]]:
        """Return the GPUs below each domain."""
        return {
            name: tuple(gpu for node in members for gpu in node.gpus.values())
            for name, members in self._members.items()
        }

    def reports(self, seconds: float) -> tuple[DomainReport, ...]:
        """Return what became of each domain in so many seconds."""
        gpus, joules = self.gpus(), self._joules()
        return tuple(
            DomainReport(
                name=name,
                budget_watts=self.gpu_watts(domain),
                gpus=len(gpus[name]),
                mean_watts=(joules[name] - self._joules_before[name]) / seconds,
                peak_watts=self._peak_watts[name],
                over_budget_seconds=self._over_seconds[name],
            )
            for domain in self._fleet.domains
            for name in [domain.metadata.name]
        )

    def _joules(self) -> dict[str, float]:
        return {name: fsum(gpu.energy_joules for gpu in gpus) for name, gpus in self.gpus().items()}

    def _below(self, domain: PowerDomain) -> list[Node]:
        return [node for name, node in self._nodes.items() if domain in self._fleet.domains_of(name)]
