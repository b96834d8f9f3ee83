"""The state folder as it stands, for people who look: nothing is locked, nothing is written."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.api.powernode import PowerNode, PowerNodeStatus
from wattline.doors import state as folder
from wattline.model.state import NodeAnswer

Declared = TypeVar("Declared", PowerDomain, InferencePool)


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """A node's order and its agent's answer."""

    name: str
    order: PowerNode | None
    answer: PowerNodeStatus | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that stands in a state folder."""

    domains: tuple[PowerDomain, ...]
    pools: tuple[InferencePool, ...]
    nodes: tuple[NodeFiles, ...]
    holder_pid: int | None
    """Process that balances on it; none when nobody does."""

    @property
    def highest_epoch(self) -> int:
        """The newest epoch that an order or an agent speaks of."""
        orders = (node.order.spec.epoch for node in self.nodes if node.order is not None)
        answers = (node.answer.epoch for node in self.nodes if node.answer is not None)
        return max((*orders, *answers), default=0)


def overview(state: Path) -> Overview:
    """Return what stands in a state folder; raise `ClusterError` where a file cannot be read."""
    return Overview(
        domains=_declared(state, PowerDomain),
        pools=_declared(state, InferencePool),
        nodes=tuple(node_files(state, name) for name in node_names(state)),
        holder_pid=folder.holder(state),
    )


def node_names(state: Path) -> tuple[str, ...]:
    """Return the nodes that have an order or an agent, sorted."""
    names = (path.name for path in (state / PowerNode.plural).glob("*.yaml"))
    return tuple(sorted({name.removesuffix(".yaml").removesuffix(".status") for name in names}))


def node_files(state: Path, name: str) -> NodeFiles:
    """Return a node's order and answer."""
    place = state / PowerNode.plural
    answer = folder.read(place / f"{name}.status.yaml", NodeAnswer)
    return NodeFiles(
        name, folder.read(place / f"{name}.yaml", PowerNode), None if answer is None else answer.status
    )


def _declared(state: Path, kind: type[Declared]) -> tuple[Declared, ...]:
    found = (folder.read(path, kind) for path in sorted((state / kind.plural).rglob("*.status.yaml")))
    return tuple(each for each in found if each is not None)
