"""The watts of a node: what its groups claim, and what a group's grant means for each of its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import floor, fsum

from wattline.api.base import CLASSES, PowerClass
from wattline.api.powernode import GpuOrder, ReplicaOrder
from wattline.loops.seen import GpuSeen
from wattline.model.bounds import bound_watts, limit_for
from wattline.policy import share


@dataclass(frozen=True, slots=True)
class Group:
    """GPUs that run one replica and take one value."""

    name: str
    members: Sequence[tuple[GpuOrder, GpuSeen]]
    """Writable ones only."""
    replicas: Sequence[ReplicaOrder]

    @property
    def power_class(self) -> PowerClass:
        """Return the keenest class of its members."""
        if len(self.members) == 1:
            return self.members[0][0].power_class
        return min((order.power_class for order, _ in self.members), key=CLASSES.index)


def claims(free_watts: float, groups: Sequence[Group], demands: Mapping[str, float]) -> list[share.Claim]:
    """Return each group's claim; the orders' least limits give way where they do not fit, the devices' cannot."""
    asked = [_claim(group, demands[group.name], ordered=True) for group in groups]
    if fsum(claim.floor_watts for claim in asked) > free_watts:
        asked = [_claim(group, demands[group.name], ordered=False) for group in groups]
    return asked


def _claim(group: Group, demand_watts: float, *, ordered: bool) -> share.Claim:
    least = top = demand = 0.0
    if len(group.members) == 1:
        ((order, gpu),) = group.members
        least, top = _range(order, gpu, ordered=ordered)
        demand = bound_watts(gpu.identity.product, demand_watts, gpu.identity.max_watts)
    else:
        ranges = [_range(order, gpu, ordered=ordered) for order, gpu in group.members]
        least, top = fsum([each[0] for each in ranges]), fsum([each[1] for each in ranges])
        each_watts = demand_watts / len(group.members)
        demand = fsum(
            [
                bound_watts(gpu.identity.product, each_watts, gpu.identity.max_watts)
                for _, gpu in group.members
            ]
        )
    return share.Claim(
        name=group.name,
        floor_watts=least,
        ceiling_watts=max(least, top),
        demand_watts=min(max(demand, least), max(least, top)),
        power_class=group.power_class,
        weight=float(len(group.members)),
    )


def _range(order: GpuOrder, gpu: GpuSeen, *, ordered: bool) -> tuple[float, float]:
    """Return the least and the most that a GPU may draw between the limits it may be given."""
    known = gpu.identity
    return (
        bound_watts(known.product, _watts_min(order, gpu, ordered=ordered), known.max_watts),
        bound_watts(known.product, _watts_max(order, gpu), known.max_watts),
    )


def limits(group: Group, granted_watts: float) -> dict[str, float]:
    """Return each member's limit under the group's grant: one value, unless a device's own range forbids it."""
    each = _divided(
        granted_watts,
        tuple(
            [
                (
                    bound_watts(gpu.identity.product, gpu.identity.min_watts, gpu.identity.max_watts),
                    bound_watts(gpu.identity.product, _watts_max(order, gpu), gpu.identity.max_watts),
                )
                for order, gpu in group.members
            ]
        ),
    )
    value = min([limit_for(gpu.identity.product, each[at]) for at, (_, gpu) in enumerate(group.members)])
    value = (
        floor(value * 1000) / 1000
    )  # devices take milliwatts; rounded down, so that the bound stays inside
    return {
        order.uuid: min(max(value, gpu.identity.min_watts), _watts_max(order, gpu))
        for order, gpu in group.members
    }


@lru_cache(maxsize=4096)
def _divided(granted_watts: float, ranges: tuple[tuple[float, float], ...]) -> tuple[float, ...]:
    """Return what each member of a group gets of its grant, between the least and the most it can draw."""
    claims = [
        share.Claim(str(index), floor_watts=least, ceiling_watts=most, demand_watts=0.0)
        for index, (least, most) in enumerate(ranges)
    ]
    return tuple(grant.watts for grant in share.divide(granted_watts, claims))


def _watts_min(order: GpuOrder, gpu: GpuSeen, *, ordered: bool) -> float:
    least = max(order.watts_min or 0.0, gpu.identity.min_watts) if ordered else gpu.identity.min_watts
    return min(least, _watts_max(order, gpu))


def _watts_max(order: GpuOrder, gpu: GpuSeen) -> float:
    return max(gpu.identity.min_watts, min(order.watts_max or gpu.identity.max_watts, gpu.identity.max_watts))
