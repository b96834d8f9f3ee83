"""Who gets which server: packed row by row, or by what is foreseen of heat, rows and air."""

from bisect import bisect_left

import numpy as np
from bench.papers.tapas.hall import GPUS, IDLE_WATTS, OTHER_BUSY_WATTS, OTHER_IDLE_WATTS, SLOWDOWN_CELSIUS
from bench.papers.tapas.known import Known
from bench.papers.tapas.tenants import Floats, Tenants

from wattline.policy import site, thermal
from wattline.policy.site import SiteSeen, SiteSpec, Workload
from wattline.world.facility import Facility

PARTS = 8
"""Parts of the day that are foreseen apart."""
SPEC = SiteSpec()


def packed(tenants: Tenants) -> list[int]:
    """Return the server of each tenant: the next free one, row by row."""
    return list(range(len(tenants.group_of)))


def placed(tenants: Tenants, facility: Facility, known: Known, warmest_celsius: float) -> list[int]:
    """Return the server of each tenant in the order they come: the best that is free then."""
    free = dict.fromkeys(range(len(facility.slots)))
    rows = np.zeros((facility.shape.rows, PARTS))
    airs = [sum(_air(known, each, 0.0) for each in aisle) for aisle in facility.aisles]
    aisle_watts = [0.0 for _ in facility.aisles]
    provided = facility.row_watts * facility.shape.rows_per_aisle
    places = []
    foreseen = [_foreseen(tenants, index) for index in range(len(tenants.group_of))]
    peaks = sorted(float(gpu.max()) for gpu, _ in foreseen)
    for (gpu, watts), group in zip(foreseen, tenants.group_of, strict=True):
        peak = float(gpu.max())
        wanted = Workload(
            tuple(watts.tolist()), peak, bisect_left(peaks, peak) / len(peaks), tenants.groups[group].endpoint
        )
        seen = []
        for server in free:
            slot = facility.slots[server]
            load = (aisle_watts[slot.aisle] + float(watts.max())) / provided
            inlet = known.inlet_celsius(server, warmest_celsius, load)
            rise = known.rise_celsius(server, wanted.gpu_watts)
            seen.append(
                SiteSeen(
                    name=f"{server:04d}",
                    row_watts=tuple(rows[slot.row].tolist()),
                    row_most_watts=facility.row_watts,
                    air_ratio=airs[slot.aisle] / facility.aisle_air,
                    air_for_workload=(_air(known, server, float(watts.max())) - _air(known, server, 0.0))
                    / facility.aisle_air,
                    celsius=None if inlet is None or rise is None else inlet + rise,
                    most_celsius=SLOWDOWN_CELSIUS,
                )
            )
        server = int(site.decide(SPEC, wanted, seen)[0].name)
        slot = facility.slots[server]
        del free[server]
        rows[slot.row] += watts
        airs[slot.aisle] += _air(known, server, float(watts.max())) - _air(known, server, 0.0)
        aisle_watts[slot.aisle] += float(watts.mean())
        places.append(server)
    return places


def _foreseen(tenants: Tenants, index: int) -> tuple[Floats, Floats]:
    """Return watts of a GPU and of the server in each part of the day, near their highest, as on the day of the past."""
    past = tenants.loads[: tenants.past_steps, index]
    busy = np.array([np.quantile(part, 0.95) for part in np.array_split(past, PARTS)])
    full = tenants.groups[tenants.group_of[index]].full_gpu_watts
    gpu = IDLE_WATTS + (full - IDLE_WATTS) * busy
    return gpu, GPUS * gpu + OTHER_IDLE_WATTS + OTHER_BUSY_WATTS * busy


def _air(known: Known, server: int, watts: float) -> float:
    said = known.air[server].predict(thermal.air_features(watts))
    return 1.0 if said is None else said
