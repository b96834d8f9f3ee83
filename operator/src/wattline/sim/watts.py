"""Budgets in the simulator: what a static cap would do, and the product's sharing of watts every 15 s.

All domains count as enforced here, whatever their mode: the question is what would happen.
"""

from collections.abc import Callable, Sequence
from math import fsum

from wattline.api.base import PowerClass
from wattline.api.powerdomain import PowerDomain
from wattline.model.bounds import limit_for
from wattline.model.fleet import Fleet
from wattline.policy.share import Claim, DomainClaim, NodeClaim, share
from wattline.sim.events import Events
from wattline.sim.node import Node

PERIOD_SECONDS = 15.0
ACKNOWLEDGED_SECONDS = 2.0
"""From writing lower budgets to handing out what they freed: an agent's step and its read-back."""


class Budgets:
    """Every domain's budget, and how long it was exceeded."""

    def __init__(self, fleet: Fleet, nodes: Sequence[Node], classes: Callable[[str], PowerClass]) -> None:
        self.over_seconds = 0.0
        self.peak_watts = 0.0
        """Highest 1 s draw of all GPUs together."""
        self._fleet = fleet
        self._nodes = {node.name: node for node in nodes}
        self._classes = classes
        self._members = {domain.metadata.name: self._below(domain) for domain in fleet.domains}

    def gpu_watts(self, domain: PowerDomain) -> float:
        """Return what of a domain's budget is left for GPUs."""
        budget = domain.spec.budget
        nodes = len(self._members[domain.metadata.name])
        return budget.watts - budget.reserved_watts - budget.node_overhead_watts * nodes

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
        for grant in share(pots, claims):
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
        for domain in self._fleet.domains:
            members = self._members[domain.metadata.name]
            if fsum(draw[node.name] for node in members) > self.gpu_watts(domain):
                self.over_seconds += seconds
                return

    def _below(self, domain: PowerDomain) -> list[Node]:
        return [node for name, node in self._nodes.items() if domain in self._fleet.domains_of(name)]
