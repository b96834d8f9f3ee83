"""Heat across nodes: a hot part of a replica holds back its parts on other nodes, and the hardware's own events are said.

An agent takes the group on its own node along by itself, within one pass of its safety loop. What is on other nodes
comes through here: agents say at once what their own heat allows a GPU whose replica spans nodes, and the orders of the
other parts carry the least of it. The dwell of a release is that of the agent that is hot.
"""

from collections.abc import Iterable, Iterator, Mapping

from wattline.api.powernode import GpuOrder
from wattline.model.actions import Say
from wattline.model.cluster import NodeView, Replica

Part = tuple[str, tuple[str, ...]]
"""A node, and the GPUs there that run one pod of a replica."""

CAUSES = {
    "HwPowerBrake": ("HardwarePowerBrake", "a fault of power supply"),
    "HwThermal": ("HardwareThermalSlowdown", "a fault of cooling"),
    "HwSlowdown": ("HardwareSlowdown", "a fault of power supply or cooling"),
}
"""What an agent says the hardware does, the reason of its Event, and what it means."""


def elsewhere(
    replicas: Mapping[str, Iterable[Replica]], nodes: Mapping[str, NodeView]
) -> dict[str, int | None]:
    """Return, for every GPU of a replica on several nodes, the fastest clock that heat allows its other parts.

    Where a part is not known now, what its neighbours were ordered for it stands.
    """
    found: dict[str, int | None] = {}
    for replica in (each for pool in replicas.values() for each in pool if each.workers):
        parts: list[Part] = [(replica.node, replica.gpus)]
        parts += [(worker.pod.node, worker.gpus) for worker in replica.workers]
        for mine in parts:
            others = [part for part in parts if part is not mine]
            tops = [top for part in others for top in _tops_mhz(part, nodes)]
            known = all(_known(part, nodes) for part in others)
            before = {} if known else _ordered_mhz(mine, nodes)
            for uuid in mine[1]:
                mine_tops = [*tops, before[uuid]] if uuid in before else tops
                found[uuid] = min(mine_tops, default=None)
    return found


def bounded(order: GpuOrder, heat_mhz: Mapping[str, int | None]) -> GpuOrder:
    """Return an order with what heat elsewhere allows."""
    spans, top = order.uuid in heat_mhz, heat_mhz.get(order.uuid)
    if (order.spans_nodes, order.heat_clock_mhz) == (spans, top):
        return order
    return order.model_copy(update={"spans_nodes": spans, "heat_clock_mhz": top})


def hardware_said(nodes: Mapping[str, NodeView]) -> Iterator[Say]:
    """Yield an Event per node whose hardware slows GPUs down by itself, as long as it does; the server counts it."""
    for name, node in nodes.items():
        events = [
            (gpu.uuid, gpu.hardware_event)
            for gpu in (() if node.status is None else node.status.gpus)
            if gpu.hardware_event in CAUSES
        ]
        if not events:
            continue
        worst = next(word for word in CAUSES if word in {event for _, event in events})
        reason, means = CAUSES[worst]
        which = ", ".join(f"{uuid} ({event})" for uuid, event in events)
        message = f"the hardware slows GPUs down by itself: {which}; {means}, which no setting cures"
        yield Say("Node", None, name, reason, message, warning=True)


def _known(part: Part, nodes: Mapping[str, NodeView]) -> bool:
    return len(list(_statuses(part, nodes))) == len(part[1])


def _tops_mhz(part: Part, nodes: Mapping[str, NodeView]) -> Iterator[int]:
    return (top for top in _statuses(part, nodes) if top is not None)


def _statuses(part: Part, nodes: Mapping[str, NodeView]) -> Iterator[int | None]:
    """Yield what heat allows each GPU of a part whose agent has said anything of it."""
    name, uuids = part
    node = nodes.get(name)
    for gpu in () if node is None or node.status is None else node.status.gpus:
        if gpu.uuid in uuids:
            yield gpu.heat_clock_mhz


def _ordered_mhz(part: Part, nodes: Mapping[str, NodeView]) -> dict[str, int]:
    name, uuids = part
    node = nodes.get(name)
    orders = () if node is None or node.spec is None else node.spec.gpus
    return {
        order.uuid: order.heat_clock_mhz
        for order in orders
        if order.uuid in uuids and order.heat_clock_mhz is not None
    }
