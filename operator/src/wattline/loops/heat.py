"""Heat in a group: its hottest GPU binds all of them, also one that cannot be written, and one on another node.

Bounds combine by minimum. A bound from another node comes with the order (``GpuOrder.heat_clock_mhz``); what this node
tells others is its own heat alone, so that two nodes never hold each other back with what they heard.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wattline.api.powernode import GpuOrder
from wattline.loops.seen import GpuSeen
from wattline.policy.share import Claim

DETAIL = {True: "a GPU of this group is about to slow itself down", False: "a GPU of this group is hot"}
"""By whether it is an emergency."""


class Warmth(NamedTuple):
    """What heat leaves a group."""

    top_mhz: int | None = None
    """Fastest clock that heat allows; none while it binds nothing."""
    emergency: bool = False
    """Limits go to the devices' least."""
    limit_watts: float | None = None
    """Greatest limit of each GPU, where a clock of the group cannot be locked; none elsewhere."""
    held_mhz: int | None = None
    """Slowest lock of a GPU whose sensors are silent, which is not loosened meanwhile."""

    @property
    def most_mhz(self) -> int | None:
        """Return the fastest clock that the group may have; none where neither binds."""
        return _least((self.top_mhz, self.held_mhz))


def groups(orders: Sequence[GpuOrder], gpus: Mapping[str, GpuSeen]) -> dict[str, Warmth]:
    """Return what heat leaves every group of the orders."""
    found: dict[str, Warmth] = {}
    for order in orders:
        before, gpu = found.get(order.group, _COOL), gpus.get(order.uuid)
        if order.heat_clock_mhz is None and (gpu is None or _cool(gpu)):
            found[order.group] = before
            continue
        tops = [before.top_mhz, order.heat_clock_mhz]
        held, limits = [before.held_mhz], [before.limit_watts]
        if gpu is not None:
            tops.append(gpu.clock_top_mhz)
            limits.append(gpu.limit_top_watts)
            held.append(gpu.locked_mhz if gpu.unsure else None)
        found[order.group] = Warmth(
            top_mhz=_least(tops),
            emergency=before.emergency or (gpu is not None and gpu.emergency),
            limit_watts=min((watts for watts in limits if watts is not None), default=None),
            held_mhz=_least(held),
        )
    return found


_COOL = Warmth()


def _cool(gpu: GpuSeen) -> bool:
    """Whether a GPU's heat binds nothing."""
    return (
        gpu.clock_top_mhz is None
        and gpu.limit_top_watts is None
        and not gpu.emergency
        and (not gpu.unsure or gpu.locked_mhz is None)
    )


def limit_watts(warmth: Warmth, gpu: GpuSeen, wanted_watts: float) -> tuple[float, bool]:
    """Return a GPU's limit inside what heat leaves its group, and whether heat sets it."""
    least = gpu.identity.min_watts
    top = least if warmth.emergency else warmth.limit_watts
    if top is None or (wanted_watts <= top and not warmth.emergency):
        return wanted_watts, False
    return max(least, top), True


def claims(asked: Sequence[Claim], hot: Mapping[str, Warmth]) -> list[Claim]:
    """Return the claims of the groups; one in an emergency can use no more than the devices' least."""
    if not any(hot[claim.name].emergency for claim in asked):
        return list(asked)
    return [
        claim._replace(demand_watts=claim.floor_watts, ceiling_watts=claim.floor_watts)
        if hot[claim.name].emergency
        else claim
        for claim in asked
    ]


def cool_watts(
    before: Mapping[str, float], hot: Mapping[str, Warmth], asked: Sequence[Claim]
) -> dict[str, float]:
    """Return what every group wants, or wanted when heat began to hold it back."""
    return {
        claim.name: claim.demand_watts
        if hot[claim.name].top_mhz is None and not hot[claim.name].emergency
        else max(before.get(claim.name, 0.0), claim.demand_watts)
        for claim in asked
    }


def _least(tops_mhz: Sequence[int | None]) -> int | None:
    least: int | None = None
    for top in tops_mhz:
        if top is not None and (least is None or top < least):
            least = top
    return least
