"""A node's ramp: its groups' steps of clock and limit, cut into pieces that ``policy.smooth`` pays for.

What a step will draw is predicted from what the group draws now: a GPU at its limit draws what the limit allows; else
its draw follows the clock, by the steepest curve there is. So the prediction errs upwards, and the ramp is kept; at low
clocks, where draw follows the clock least, much of it stays unused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, fsum

from wattline.api.base import CLASSES
from wattline.api.powernode import PowerNodeSpec
from wattline.loops.ceiling import STEEPNESS, limited
from wattline.loops.moves import STEP_WATTS
from wattline.loops.seen import GpuSeen, NodeSeen
from wattline.loops.watts import Group
from wattline.model.bounds import bound_watts
from wattline.policy import smooth

PIECES = 24
"""Ours: a step of clock or limit is cut into so many pieces at most."""
ROUNDED_RATIO = 0.01
"""Ours: a device rounds a ramp it is asked for."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Clock and limit of one GPU; none gives the clock to the driver."""

    limit_watts: float
    clock_mhz: int | None


def step(
    spec: PowerNodeSpec,
    state: smooth.SmoothState,
    seen: NodeSeen,
    groups: Sequence[Group],
    targets: Mapping[str, Setting],
) -> tuple[smooth.SmoothState, dict[str, Setting]]:
    """Return the settings for now of the GPUs whose step may not go all the way.

    Without a ramp there are none. A group whose devices all keep their share of the ramp by themselves goes all the
    way, and the others have the rest of it.
    """
    if spec.ramp_up_watts_per_second is None and spec.ramp_down_watts_per_second is None:
        return state, {}
    by_themselves = {group.name for group in groups if _keeps(group, spec)}
    bounds = smooth.SmoothSpec(
        _rest(spec, [group for group in groups if group.name in by_themselves]),
        spec.ramp_down_watts_per_second,
    )
    hurry = (
        seen.tighten_only or fsum(gpu.bound_watts for gpu in seen.gpus.values()) > seen.budget_watts + 1e-6
    )
    ladders: dict[str, list[dict[str, Setting]]] = {}
    steps: list[smooth.Step] = []
    for group in sorted(groups, key=lambda each: CLASSES.index(each.power_class)):
        gpus = {order.uuid: gpu for order, gpu in group.members}
        if group.name in by_themselves:
            continue
        rungs = _ladder(gpus, {uuid: targets[uuid] for uuid in gpus})
        if not rungs:
            continue
        ladders[group.name] = rungs
        now_watts = fsum(gpu.reading.watts for gpu in gpus.values() if gpu.reading is not None)
        drawn = [
            fsum(_draw(gpus[uuid], each) for uuid, each in rung.items()) - now_watts for rung in rungs[1:]
        ]
        steps.append(smooth.Step(group.name, _monotone(drawn), urgent=hurry or _hot(group)))
    decided = smooth.decide(bounds, state, seen.at_seconds, steps)
    return decided.state, {
        uuid: setting
        for name, rungs in ladders.items()
        if decided.pieces[name] < len(rungs) - 1
        for uuid, setting in rungs[decided.pieces[name]].items()
    }


def share_watts_per_second(spec: PowerNodeSpec) -> float | None:
    """Return what each GPU may rise by in a second, so that all of them together keep the node's ramp; none: no bound."""
    if spec.ramp_up_watts_per_second is None or not spec.gpus:
        return None
    return spec.ramp_up_watts_per_second / len({order.uuid for order in spec.gpus})


def _keeps(group: Group, spec: PowerNodeSpec) -> bool:
    """Whether the devices of a group keep their share by themselves; downwards they do not, so not with such a ramp."""
    share = share_watts_per_second(spec)
    if share is None or spec.ramp_down_watts_per_second is not None:
        return False
    ramps = [None if gpu.reading is None else gpu.reading.ramp for _, gpu in group.members]
    return all(
        ramp is not None and ramp.on and ramp.up_watts_per_second <= share * (1 + ROUNDED_RATIO)
        for ramp in ramps
    )


def _rest(spec: PowerNodeSpec, by_themselves: Sequence[Group]) -> float | None:
    """Return what is left of the ramp upwards for the GPUs that do not keep it by themselves."""
    share = share_watts_per_second(spec)
    if share is None or spec.ramp_up_watts_per_second is None:
        return spec.ramp_up_watts_per_second
    return spec.ramp_up_watts_per_second - share * sum(len(group.members) for group in by_themselves)


def _hot(group: Group) -> bool:
    """Whether heat binds the group, here or on another node."""
    return any(
        gpu.clock_top_mhz is not None or gpu.limit_top_watts is not None or order.heat_clock_mhz is not None
        for order, gpu in group.members
    )


def _ladder(seen: Mapping[str, GpuSeen], targets: Mapping[str, Setting]) -> list[dict[str, Setting]]:
    """Return the settings from where the group stands to its targets; empty where nothing moves.

    Where something rises, what falls has fallen on the first rung, for it pays for the rest; limits rise before clocks,
    as the limit is the fence.
    """
    now = {uuid: Setting(_limit(gpu), gpu.locked_mhz) for uuid, gpu in seen.items()}
    rises = any(_rises(seen[uuid], now[uuid], targets[uuid]) for uuid in seen)
    falls = any(_rises(seen[uuid], targets[uuid], now[uuid]) for uuid in seen)
    if not rises and not falls:
        return []
    start = {uuid: _lower(seen[uuid], now[uuid], targets[uuid]) for uuid in seen} if rises else now
    clocked = {uuid: replace(targets[uuid], clock_mhz=start[uuid].clock_mhz) for uuid in seen}
    rungs = [start]
    widest = max(abs(clocked[uuid].limit_watts - start[uuid].limit_watts) for uuid in seen)
    pieces = min(PIECES, max(1, ceil(widest / STEP_WATTS))) if widest > 0 else 0
    for piece in range(1, pieces + 1):
        part = piece / pieces
        rungs.append(
            {
                uuid: replace(
                    clocked[uuid],
                    limit_watts=clocked[uuid].limit_watts
                    if piece == pieces
                    else start[uuid].limit_watts
                    + part * (clocked[uuid].limit_watts - start[uuid].limit_watts),
                )
                for uuid in seen
            }
        )
    between = _clocks(seen, clocked, targets)
    rungs += [{uuid: replace(targets[uuid], clock_mhz=mhz) for uuid in seen} for mhz in between]
    if rungs[-1] != dict(targets):
        rungs.append(dict(targets))
    return rungs


def _clocks(
    seen: Mapping[str, GpuSeen], start: Mapping[str, Setting], end: Mapping[str, Setting]
) -> list[int]:
    """Return clocks between where the group stands and where it goes, the nearest first, both left out."""
    tables = [gpu.identity.clocks_mhz for gpu in seen.values()]
    if not all(tables):
        return []
    fro = [_mhz(seen[uuid], start[uuid]) for uuid in seen]
    to = [_mhz(seen[uuid], end[uuid]) for uuid in seen]
    low, high = (max(fro), min(to)) if min(to) > max(fro) else (max(to), min(fro))
    inside = [mhz for mhz in sorted(set(tables[0]).intersection(*tables[1:])) if low < mhz < high]
    picked = inside[:: max(1, ceil(len(inside) / PIECES))]
    return picked if min(to) > max(fro) else picked[::-1]


def _draw(gpu: GpuSeen, setting: Setting) -> float:
    """Return what a GPU is predicted to draw under a setting, given what it draws now."""
    reading = gpu.reading
    if reading is None:
        return 0.0
    at_mhz = reading.clock_mhz if limited(reading) else _mhz(gpu, Setting(0.0, gpu.locked_mhz))
    free = reading.watts if not at_mhz else reading.watts * (_mhz(gpu, setting) / at_mhz) ** STEEPNESS
    allowed = bound_watts(gpu.identity.product, setting.limit_watts, gpu.identity.max_watts)
    if limited(reading):  # it stands a little below what its limit promises, and will again
        allowed -= max(0.0, gpu.bound_watts - reading.watts)
    return min(float(free), allowed)


def _limit(gpu: GpuSeen) -> float:
    return gpu.identity.max_watts if gpu.limit_watts is None else gpu.limit_watts


def _mhz(gpu: GpuSeen, setting: Setting) -> int:
    """Return a clock as a number: the driver's own is the fastest; 0 where the device knows no clocks."""
    fastest = gpu.identity.clocks_mhz[-1] if gpu.identity.clocks_mhz else 0
    return fastest if setting.clock_mhz is None else setting.clock_mhz


def _rises(gpu: GpuSeen, now: Setting, then: Setting) -> bool:
    return then.limit_watts > now.limit_watts or _mhz(gpu, then) > _mhz(gpu, now)


def _lower(gpu: GpuSeen, one: Setting, other: Setting) -> Setting:
    slower = one if _mhz(gpu, one) <= _mhz(gpu, other) else other
    return Setting(min(one.limit_watts, other.limit_watts), slower.clock_mhz)


def _monotone(drawn: Sequence[float]) -> tuple[float, ...]:
    """Return predicted changes that never go back on the way; noise of a reading is no step the other way."""
    up = drawn[-1] > 0
    out: list[float] = []
    for watts in drawn:
        out.append(max(watts, out[-1] if out else 0.0) if up else min(watts, out[-1] if out else 0.0))
    return tuple(out)
