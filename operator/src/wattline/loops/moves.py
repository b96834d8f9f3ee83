"""In which order limits may be written: tightening first, and a raise only into watts that were read back as free."""

from collections.abc import Mapping
from math import floor, fsum
from typing import NamedTuple

from wattline.model.bounds import bound_watts, limit_for
from wattline.model.gpu import GpuIdentity

STEP_WATTS = 5.0
"""Ours: smaller changes of a limit are not worth a driver call, unless the budget needs them."""


class Standing(NamedTuple):
    """One GPU of the node's budget: what it is, and the limit read back (None: not known, counted at most)."""

    identity: GpuIdentity
    limit_watts: float | None

    @property
    def bound_watts(self) -> float:
        """Return the most it can draw as it stands."""
        return bound_watts(self.identity.product, self.limit_watts, self.identity.max_watts)


def lower(
    standing: Mapping[str, Standing], wanted_watts: Mapping[str, float], budget_watts: float
) -> dict[str, float]:
    """Return the limits to lower now, most watts freed first.

    A decrease smaller than a step waits, unless the node is above its budget or another GPU is to rise into it.
    """
    needed = fsum(gpu.bound_watts for gpu in standing.values()) > budget_watts or any(
        _rises(standing[uuid], watts) for uuid, watts in wanted_watts.items()
    )
    cuts = {
        uuid: watts
        for uuid, watts in wanted_watts.items()
        if (old := _now(standing[uuid])) > watts and (needed or old - watts >= STEP_WATTS)
    }
    return dict(sorted(cuts.items(), key=lambda cut: cut[1] - _now(standing[cut[0]])))


def higher(
    standing: Mapping[str, Standing], wanted_watts: Mapping[str, float], budget_watts: float
) -> dict[str, float]:
    """Return the limits that may rise now, as far as the bounds read back leave room, in the order given."""
    room = budget_watts - fsum(gpu.bound_watts for gpu in standing.values())
    rises: dict[str, float] = {}
    for uuid, watts in wanted_watts.items():
        gpu = standing[uuid]
        if not _rises(gpu, watts):
            continue
        fits = min(watts, limit_for(gpu.identity.product, gpu.bound_watts + max(0.0, room)))
        fits = fits if fits >= watts else floor(fits * 1000) / 1000
        if not _rises(gpu, fits):
            continue
        rises[uuid] = fits
        room -= bound_watts(gpu.identity.product, fits, gpu.identity.max_watts) - gpu.bound_watts
    return rises


def _now(gpu: Standing) -> float:
    return gpu.identity.max_watts if gpu.limit_watts is None else gpu.limit_watts


def _rises(gpu: Standing, watts: float) -> bool:
    return watts - _now(gpu) >= STEP_WATTS or (watts > _now(gpu) and watts >= gpu.identity.max_watts)
