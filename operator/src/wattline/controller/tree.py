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

    domains: tuple[PowerDomain, ...]
    hangs_on: Mapping[str, str]
    """Domain of each node."""
    chains: Mapping[str, tuple[PowerDomain, ...]]
    """Each domain, by name, with those above it, root last."""
    members: Mapping[str, tuple[str, ...]]
    """Nodes anywhere below each domain, sorted."""
    beside_watts: Mapping[str, float]
    """What draws under each domain beside GPUs: node overheads and reserved watts, also those of the domains
    below it, for they hang on its breaker too. Where several domains above a node say an overhead, the greatest
    one up to this domain counts.
    """

    def chain(self, node: str) -> tuple[PowerDomain, ...]:
        """Return the domains above a node, nearest first."""
        return self.chains[self.hangs_on[node]]

    def enforced(self, node: str) -> bool:
        """Whether a domain above the node is enforced."""
        return any(domain.spec.mode is Mode.ENFORCE for domain in self.chain(node))

    def enforcing(self) -> tuple[PowerDomain, ...]:
        """Return the domains that are enforced."""
        return tuple(domain for domain in self.domains if domain.spec.mode is Mode.ENFORCE)

    def claims(self, *, observed_too: bool = False) -> tuple[DomainClaim, ...]:
        """Return the domains with what is left for GPUs; one that only observes constrains nothing, unless
        ``observed_too``.
        """
        return tuple(
            DomainClaim(
                domain.metadata.name,
                domain.spec.budget.watts - self.beside_watts[domain.metadata.name]
                if observed_too or domain.spec.mode is Mode.ENFORCE
                else None,
                domain.spec.parent,
            )
            for domain in self.domains
        )

    def root(self, node: str) -> str:
        """Return the name of the root domain above a node."""
        return self.chain(node)[-1].metadata.name


def tree(fleet: Fleet, leaving: Iterable[tuple[str, str]] = ()) -> Tree:
    """Return the tree of a fleet; ``leaving`` are nodes, each with the domain that pays until it is released."""
    hangs_on = {node: domain.metadata.name for domain in fleet.domains for node in domain.spec.nodes}
    hangs_on = {**dict(leaving), **hangs_on}
    chains = {domain.metadata.name: (domain, *fleet.ancestors(domain)) for domain in fleet.domains}
    members: dict[str, list[str]] = {name: [] for name in chains}
    overhead = dict.fromkeys(chains, 0.0)
    for node, nearest in sorted(hangs_on.items()):
        greatest = 0.0
        for domain in chains[nearest]:
            greatest = max(greatest, domain.spec.budget.node_overhead_watts)
            members[domain.metadata.name].append(node)
            overhead[domain.metadata.name] += greatest
    reserved = dict.fromkeys(chains, 0.0)
    for chain in chains.values():
        for above in chain:
            reserved[above.metadata.name] += chain[0].spec.budget.reserved_watts
    return Tree(
        domains=fleet.domains,
        hangs_on=hangs_on,
        chains=chains,
        members={name: tuple(nodes) for name, nodes in members.items()},
        beside_watts={name: math.fsum((overhead[name], reserved[name])) for name in chains},
    )
