"""GPUs that several replicas use (time slicing, MPS, MIG): one clock and one power limit for all of them. Pure.

A GPU is one actuator, whoever asks. Bounds combine by the strictest owner, what is asked for in a service's interest
by the keenest, inside those bounds.
"""

from collections.abc import Sequence

from wattline.api.base import CLASSES
from wattline.api.powernode import GpuOrder, ReplicaOrder


def merged(orders: Sequence[GpuOrder]) -> GpuOrder:
    """Return one order for a GPU that stands in several; the first one's group is its group."""
    if len(orders) == 1:
        return orders[0]
    watts_max = min((each.watts_max for each in orders if each.watts_max is not None), default=None)
    clock_max = min((each.clock_mhz_max for each in orders if each.clock_mhz_max is not None), default=None)
    watts_min = max((each.watts_min for each in orders if each.watts_min is not None), default=None)
    clock_min = max((each.clock_mhz_min for each in orders if each.clock_mhz_min is not None), default=None)
    if watts_min is not None and watts_max is not None:
        watts_min = min(watts_min, watts_max)
    if clock_min is not None and clock_max is not None:
        clock_min = min(clock_min, clock_max)
    return GpuOrder(
        uuid=orders[0].uuid,
        group=orders[0].group,
        power_class=min((each.power_class for each in orders), key=CLASSES.index),
        watts_min=watts_min,
        watts_max=watts_max,
        clock_mhz_min=clock_min,
        clock_mhz_max=clock_max,
        spans_nodes=any(each.spans_nodes for each in orders),
        heat_clock_mhz=min(
            (each.heat_clock_mhz for each in orders if each.heat_clock_mhz is not None), default=None
        ),
    )


def apart(orders: Sequence[GpuOrder], replicas: Sequence[ReplicaOrder]) -> Sequence[GpuOrder]:
    """Return the orders so that every GPU stands in one, and no replica in two groups.

    Groups that share a GPU or a replica become one, by the name of the first: their GPUs cannot take two values.
    Orders of which that is so already come back as they are.
    """
    groups = {each.uuid: each.group for each in orders}
    crossing = [found for each in replicas if len(found := _groups(each, groups)) > 1]
    if len(groups) == len(orders) and not crossing:
        return orders
    group_names = {each.group: each.group for each in orders}
    by_uuid: dict[str, list[GpuOrder]] = {}
    for each in orders:
        by_uuid.setdefault(each.uuid, []).append(each)
    for together in (*(dict.fromkeys(each.group for each in same) for same in by_uuid.values()), *crossing):
        _join(group_names, list(together))
    return [
        merged(same).model_copy(update={"group": group_names[same[0].group]}) for same in by_uuid.values()
    ]


def _groups(replica: ReplicaOrder, groups: dict[str, str]) -> dict[str, None]:
    return dict.fromkeys(groups[uuid] for uuid in replica.gpus if uuid in groups)


def _join(names: dict[str, str], together: Sequence[str]) -> None:
    """Let groups have one name, with all that were joined to them before."""
    olds = {names[each] for each in together}
    new = next(name for name in names.values() if name in olds)
    for name, now in names.items():
        if now in olds:
            names[name] = new
