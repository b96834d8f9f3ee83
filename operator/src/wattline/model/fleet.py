"""The manifests of one fleet, read together."""

from dataclasses import dataclass
from functools import cached_property

from wattline.api.agentworkflow import AgentWorkflow
from wattline.api.inferencepool import Endpoint, InferencePool
from wattline.api.modelprofile import ModelProfile
from wattline.api.powerdomain import PowerDomain


def full_name(thing: InferencePool | AgentWorkflow) -> str:
    """Return an object's name with its namespace in front where there is one."""
    meta = thing.metadata
    return meta.name if meta.namespace is None else f"{meta.namespace}/{meta.name}"


@dataclass(frozen=True)
class Fleet:
    """What the user declared: power domains, inference pools, workflows and profiles, each sorted by name."""

    domains: tuple[PowerDomain, ...] = ()
    pools: tuple[InferencePool, ...] = ()
    workflows: tuple[AgentWorkflow, ...] = ()
    profiles: tuple[ModelProfile, ...] = ()

    def nodes(self) -> tuple[str, ...]:
        """Return the nodes that are opted in, sorted."""
        return tuple(sorted({node for domain in self.domains for node in domain.spec.nodes}))

    def domains_of(self, node: str) -> tuple[PowerDomain, ...]:
        """Return the domains a node hangs on, nearest first, root last."""
        nearest = next((domain for domain in self.domains if node in domain.spec.nodes), None)
        return () if nearest is None else (nearest, *self.ancestors(nearest))

    def ancestors(self, domain: PowerDomain) -> tuple[PowerDomain, ...]:
        """Return the domains above one, nearest first; each once, should they form a ring."""
        above: dict[str, PowerDomain] = {}
        parent = domain.spec.parent
        while parent in self._by_name and parent not in above and parent != domain.metadata.name:
            above[parent] = self._by_name[parent]
            parent = above[parent].spec.parent
        return tuple(above.values())

    def endpoints_on(self, node: str) -> tuple[tuple[InferencePool, Endpoint], ...]:
        """Return the engines of a node, all of them, whether they get work or not."""
        return self._by_node.get(node, ())

    @cached_property
    def _by_node(self) -> dict[str, tuple[tuple[InferencePool, Endpoint], ...]]:
        found: dict[str, list[tuple[InferencePool, Endpoint]]] = {}
        for pool in self.pools:
            for endpoint in pool.spec.endpoints:
                found.setdefault(endpoint.node, []).append((pool, endpoint))
        return {node: tuple(engines) for node, engines in found.items()}

    @cached_property
    def _by_name(self) -> dict[str, PowerDomain]:
        return {domain.metadata.name: domain for domain in self.domains}
