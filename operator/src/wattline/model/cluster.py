"""What the reconcile loop sees: a snapshot of the objects and of the agents' readings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.api.powernode import PowerNodeSpec, PowerNodeStatus
from wattline.model.fleet import Fleet
from wattline.model.wire import GpusView


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node: the order it was sent, its agent's last answer, and its agent's readings of this moment."""

    name: str
    spec: PowerNodeSpec | None = None
    generation: int = 0
    status: PowerNodeStatus | None = None
    readings: GpusView | None = None
    """Absent when the agent does not answer now."""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """Everything a pass decides on; whole, or there is no pass."""

    fleet: Fleet
    epoch: int
    """Our epoch as leader."""

    nodes: Mapping[str, NodeView] = field(default_factory=dict)
    """Every node that is opted in, has an order or has an agent."""

    domains: Mapping[str, PowerDomainStatus] = field(default_factory=dict)
    """Statuses as last written, by name."""

    pools: Mapping[str, InferencePoolStatus] = field(default_factory=dict)
    """Statuses as last written, by full name."""
