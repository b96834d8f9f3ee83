"""The tree of domains as arithmetic: who hangs on whom, and what is left for GPUs."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wattline.api.powerdomain import Mode, PowerDomain
from wattline.model.fleet import Fleet
from wattline.policy.share import DomainClaim


@dataclass(frozen=True, slots=True)
class Tree:
    """A fleet's domains with the nodes that hang on them, those included that wait to be released."""

    fleet: Fleet
    hangs_on: Mapping[str, str]
    """Domain of each node."""

    def domain(self, name: str) -> PowerDomain:
        """Return a domain by name."""
        return next(domain for domain in self.fleet.domains if domain.metadata.name == name)

    def chain(self, node: str) -> tuple[PowerDomain, ...]:
        """Return the domains above a node, nearest first."""
        nearest = self.domain(self.hangs_on[node])
        return (nearest, *self.fleet.ancestors(nearest))

    def nodes(self, domain: PowerDomain) -> tuple[str, ...]:
        """Return the nodes anywhere below a domain."""
        return tuple(sorted(node for node in self.hangs_on if domain in self.chain(node)))

    def enforced(self, node: str) -> bool:
        """Whether a domain above the node is enforced."""
        return any(domain.spec.mode is Mode.ENFORCE for domain in self.chain(node))

    def enforcing(self) -> tuple[PowerDomain, ...]:
        """Return the domains that are enforced."""
        return tuple(domain for domain in self.fleet.domains if domain.spec.mode is Mode.ENFORCE)

    def beside_watts(self, domain: PowerDomain) -> float:
        """Return what draws under a domain beside GPUs: node overheads and reserved watts, also those of the
        domains below it, for they hang on its breaker too.

        Where several domains above a node say an overhead, the greatest one up to this domain counts.
        """
        below = [d for d in self.fleet.domains if d is domain or domain in self.fleet.ancestors(d)]
        overhead = math.fsum(
            max(d.spec.budget.node_overhead_watts for d in self.chain(node) if d in below)
            for node in self.nodes(domain)
        )
        return overhead + math.fsum(d.spec.budget.reserved_watts for d in below)

    def claims(self, *, observed_too: bool = False) -> tuple[DomainClaim, ...]:
        """Return the domains with what is left for GPUs; those that only observe constrain nothing unless
        ``observed_too``.
        """
        return tuple(
            DomainClaim(
                domain.metadata.name,
                domain.spec.budget.watts - self.beside_watts(domain)
                if observed_too or domain.spec.mode is Mode.ENFORCE
                else None,
                domain.spec.parent,
            )
            for domain in self.fleet.domains
        )

    def root(self, node: str) -> str:
        """Return the name of the root domain above a node."""
        return self.chain(node)[-1].metadata.name


def tree(fleet: Fleet, leaving: Iterable[tuple[str, str]] = ()) -> Tree:
    """Return the tree of a fleet; ``leaving`` are nodes (and their domain) that wait to be released."""
    hangs_on = {node: domain.metadata.name for domain in fleet.domains for node in domain.spec.nodes}
    return Tree(fleet, {**dict(leaving), **hangs_on})
