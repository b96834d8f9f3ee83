"""What follows from a node's order alone: worked out once, not every second."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from wattline.api.powernode import GpuOrder, PowerNodeSpec, ReplicaOrder
from wattline.loops.seen import GpuSeen
from wattline.loops.watts import Group
from wattline.model.sharing import apart

_Tables = tuple[tuple[int, ...], ...]


class Plan:
    """An order taken apart into groups; it holds for as long as the order is the same object."""

    def __init__(self, spec: PowerNodeSpec) -> None:
        self.spec = spec
        self.orders = apart(spec.gpus, spec.replicas)
        self._members: dict[str, list[GpuOrder]] = {}
        for order in self.orders:
            self._members.setdefault(order.group, []).append(order)
        self._replicas = {name: self._run_on(orders) for name, orders in self._members.items()}
        self._clocks: dict[str, tuple[_Tables, tuple[int, ...]]] = {}

    def groups(self, gpus: Mapping[str, GpuSeen]) -> list[Group]:
        """Return the groups with those of their GPUs that can be written now."""
        writable = {}
        for order in self.orders:
            gpu = gpus.get(order.uuid)
            if gpu is not None and gpu.reading is not None and not gpu.held:
                writable[order.uuid] = gpu
        found = []
        for name, orders in self._members_in_order(writable):
            replicas = self._replicas[name]
            if len(orders) != len(self._members[name]):
                replicas = self._run_on(orders)
            found.append(Group(name, [(order, writable[order.uuid]) for order in orders], replicas))
        return found

    def supported(self, group: Group) -> tuple[int, ...]:
        """Return the clocks that every member supports and every order allows, slowest first; one at least, if any."""
        tables = tuple([gpu.identity.clocks_mhz for _, gpu in group.members])
        known = self._clocks.get(group.name)
        if known is not None and known[0] == tables:
            return known[1]
        lowest = max((order.clock_mhz_min or 0 for order, _ in group.members), default=0)
        highest = min(
            (order.clock_mhz_max for order, _ in group.members if order.clock_mhz_max is not None),
            default=None,
        )
        clocks = among(tables, lowest, highest)
        self._clocks[group.name] = tables, clocks
        return clocks

    def _members_in_order(self, writable: Mapping[str, GpuSeen]) -> list[tuple[str, list[GpuOrder]]]:
        if len(writable) == len(self.orders):
            return list(self._members.items())
        members: dict[str, list[GpuOrder]] = {}
        for order in self.orders:
            if order.uuid in writable:
                members.setdefault(order.group, []).append(order)
        return list(members.items())

    def _run_on(self, orders: Sequence[GpuOrder]) -> list[ReplicaOrder]:
        uuids = {order.uuid for order in orders}
        return [replica for replica in self.spec.replicas if not uuids.isdisjoint(replica.gpus)]


def among(tables_mhz: _Tables, low_mhz: int, high_mhz: int | None) -> tuple[int, ...]:
    """Return the clocks that stand in every table and between two bounds, slowest first; one at least, if any."""
    common = set(tables_mhz[0]).intersection(*tables_mhz[1:])
    inside = below(tuple(sorted(common)), high_mhz)
    return tuple(mhz for mhz in inside if mhz >= low_mhz) or inside[-1:]


def below(clocks_mhz: tuple[int, ...], top_mhz: int | None) -> tuple[int, ...]:
    """Return the clocks, slowest first, up to ``top_mhz``; the slowest alone when all are faster."""
    if top_mhz is None:
        return clocks_mhz
    if not clocks_mhz or clocks_mhz[-1] <= top_mhz:
        return clocks_mhz
    return clocks_mhz[: max(bisect_right(clocks_mhz, top_mhz), 1)]
