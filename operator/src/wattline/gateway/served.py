"""What a gateway is to serve: pools and their engines, and the workflows that sessions may name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from wattline.api.agentworkflow import AgentWorkflow
from wattline.api.inferencepool import InferencePool
from wattline.model.fleet import Fleet, full_name


@dataclass(frozen=True, slots=True)
class EnginePlace:
    """One replica: where its engine listens, and on what it runs."""

    name: str
    url: str
    node: str
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServedPool:
    """One pool and its replicas as they stand now."""

    pool: InferencePool
    engines: tuple[EnginePlace, ...]
    active: frozenset[str]
    """Names of those that get work."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Why another gets none, where somebody said so."""
    created_at: str = ""
    """RFC 3339; the older of two pools answers to a model's plain name. Empty on a box."""

    @property
    def name(self) -> str:
        """Return the pool's name with its namespace in front where there is one."""
        return full_name(self.pool)

    @classmethod
    def of_manifest(cls, pool: InferencePool) -> Self:
        """Return a pool of standing engines as its manifest says."""
        engines = tuple(
            EnginePlace(each.name, each.url, each.node, each.gpus) for each in pool.spec.endpoints
        )
        return cls(pool, engines, frozenset(each.name for each in pool.spec.active()))

    @classmethod
    def of_object(cls, pool: InferencePool, created_at: str) -> Self:
        """Return a pool of a cluster: the operator's status says which replicas there are and which get work."""
        found = () if pool.status is None else pool.status.endpoints
        engines = tuple(EnginePlace(each.name, each.url, each.node, each.gpus) for each in found if each.url)
        active = frozenset(each.name for each in found if each.url and each.traffic)
        withheld = {each.name: each.reason for each in found if not each.traffic}
        return cls(pool, engines, active, withheld, created_at)


@dataclass(frozen=True, slots=True)
class Served:
    """Everything that a gateway serves."""

    pools: tuple[ServedPool, ...] = ()
    workflows: tuple[AgentWorkflow, ...] = ()

    @classmethod
    def of_fleet(cls, fleet: Fleet) -> Self:
        """Return what manifests declare."""
        return cls(tuple(ServedPool.of_manifest(pool) for pool in fleet.pools), fleet.workflows)
