"""The manifests of one fleet, read together."""

from collections.abc import Iterator
from dataclasses import dataclass

from wattline.api.inferencepool import Endpoint, InferencePool
from wattline.api.powerdomain import PowerDomain


def full_name(pool: InferencePool) -> str:
    """Return a pool's name with its namespace in front where there is one."""
    meta = pool.metadata
    return meta.name if meta.namespace is None else f"{meta.namespace}/{meta.name}"


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the user declared: power domains and inference pools, each sorted by name."""

    domains: tuple[PowerDomain, ...] = ()
    pools: tuple[InferencePool, ...] = ()

    def nodes(self) -> tuple[str, ...]:
        """Return the nodes that are opted in, sorted."""
        return tuple(sorted({node for domain in self.domains for node in domain.spec.nodes}))

    def domains_of(self, node: str) -> tuple[PowerDomain, ...]:
        """Return the domains a node hangs on, nearest first, root last."""
        nearest = next((domain for domain in self.domains if node in domain.spec.nodes), None)
        return () if nearest is None else (nearest, *self.ancestors(nearest))

    def ancestors(self, domain: PowerDomain) -> tuple[PowerDomain, ...]:
        """Return the domains above one, nearest first; each once, should they form a ring."""
        by_name = {each.metadata.name: each for each in self.domains}
        above: list[PowerDomain] = []
        parent = domain.spec.parent
        while parent is not None and parent in by_name and by_name[parent] not in (domain, *above):
            above.append(by_name[parent])
            parent = by_name[parent].spec.parent
        return tuple(above)

    def endpoints_on(self, node: str) -> Iterator[tuple[InferencePool, Endpoint]]:
        """Yield the engines of a node, all of them, whether they get work or not."""
        for pool in self.pools:
            for endpoint in pool.spec.endpoints:
                if endpoint.node == node:
                    yield pool, endpoint
