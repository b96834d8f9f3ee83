"""One second of a node: from its budget, its readings and its replicas' loads to a limit and a clock per GPU.

The node agent's device process and the simulator both call ``decide``. Bounds combine by minimum over their
sources (order, heat, watts) and over the GPUs of a group; requests of replicas combine by maximum and are then
clipped to the bounds; all GPUs of a group take the group's value, and groups that share a GPU or a replica are one
(``model.sharing``). Watts are divided among the groups by
``policy.share`` over what the limits promise (``model.bounds``), so that the sum of bounds never exceeds the
budget as long as the devices' least limits fit it. ``loops.moves`` says in which order the result may be written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import fsum
from typing import NamedTuple

from wattline.api.powernode import PowerNodeSpec
from wattline.loops import ceiling, heat, ramp, want, watts
from wattline.loops.ceiling import CeilingState
from wattline.loops.plan import Plan, among, below
from wattline.loops.seen import UNKNOWN_REPLICA, GpuSeen, NodeSeen, ReplicaKey, ReplicaSeen
from wattline.loops.want import WantState
from wattline.loops.watts import Group
from wattline.policy import clock, share, smooth

__all__ = [
    "UNKNOWN_REPLICA",
    "GpuSeen",
    "GpuTarget",
    "NodeDecision",
    "NodeSeen",
    "NodeState",
    "ReplicaKey",
    "ReplicaSeen",
    "decide",
]

HEADROOM_RATIO = 1.25
"""Ours: a GPU whose work we do not know is taken to want a quarter more than it draws."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """What one step hands to the next."""

    clocks: Mapping[ReplicaKey, clock.ClockState] = field(default_factory=dict)
    ceilings: Mapping[str, CeilingState] = field(default_factory=dict)
    """By group: the clock bound that follows from its watts."""
    wants: Mapping[str, WantState] = field(default_factory=dict)
    """By group: whether it stood at its limit lately."""
    ramp: smooth.SmoothState = field(default_factory=smooth.SmoothState)
    """What is left of the node's ramp, and who waits for it."""
    cool_watts: Mapping[str, float] = field(default_factory=dict)
    """By group: what it wanted when heat last bound nothing, as a bound."""
    plan: Plan | None = field(default=None, compare=False, repr=False)
    """What was made of the order, which is seldom another one."""


class GpuTarget(NamedTuple):
    """What one GPU is to be set to."""

    limit_watts: float
    clock_mhz: int | None
    """None gives the clock to the driver: full speed."""
    limit_why: str
    limit_detail: str
    """A sentence a person can read."""
    clock_why: str
    clock_detail: str
    """As above."""
    serves: bool = False
    """Whether a replica of ours runs on it, so that tuning the device to LLM inference is right."""
    ramp_up_watts_per_second: float | None = None
    """Its share of the node's ramp, for a device that smooths its own power; none where nothing bounds it."""
    heat_mhz: int | None = None
    """Fastest clock that heat allows its group; a faster lock is lowered at once."""
    emergency: bool = False
    """A GPU of its group is about to overheat: the limit is lowered at once."""


@dataclass(frozen=True, slots=True)
class NodeDecision:
    """Targets of the writable GPUs, and what the node would want."""

    state: NodeState
    targets: Mapping[str, GpuTarget]
    demand_watts: float
    """Predicted draw at the clocks the objectives could need, as bounds."""
    floors_exceed: bool
    """Even the devices' least limits exceed the budget."""
    heat_freed_watts: float = 0.0
    """What groups that heat holds back want less than they did before, as bounds; others may have it."""


def decide(spec: PowerNodeSpec, state: NodeState, seen: NodeSeen) -> NodeDecision:
    """Return limits and clocks for every GPU of ``spec`` that can be written."""
    plan = state.plan if state.plan is not None and state.plan.spec is spec else Plan(spec)
    groups = plan.groups(seen.gpus)
    hot = heat.groups(plan.orders, seen.gpus)
    held_watts = fsum(gpu.bound_watts for gpu in seen.gpus.values() if gpu.held or gpu.reading is None)
    clocked = {group.name: _clock(plan, group, state, seen, hot[group.name]) for group in groups}
    free_watts = max(0.0, seen.budget_watts - held_watts)
    asked = watts.claims(free_watts, groups, {name: each.demand_watts for name, each in clocked.items()})
    claims = heat.claims(asked, hot)
    cool_watts = heat.cool_watts(state.cool_watts, hot, claims)
    grants = {grant.name: grant for grant in share.divide(free_watts, claims, name="the node's budget")}
    ramp_watts = ramp.share_watts_per_second(spec)
    targets: dict[str, GpuTarget] = {}
    for group in groups:
        limits = watts.limits(group, grants[group.name].watts)
        for order, gpu in group.members:
            wanted = limits[order.uuid]
            if (seen.tighten_only or gpu.unsure) and gpu.limit_watts is not None:
                wanted = max(gpu.identity.min_watts, min(gpu.limit_watts, wanted))
            mine, granted, warmth = clocked[group.name], grants[group.name], hot[group.name]
            wanted, hot_limit = heat.limit_watts(warmth, gpu, wanted)
            targets[order.uuid] = GpuTarget(
                wanted,
                mine.clock_mhz,
                "Heat" if hot_limit else granted.why,
                heat.DETAIL[warmth.emergency] if hot_limit else granted.detail,
                mine.why,
                mine.detail,
                serves=bool(group.replicas),
                ramp_up_watts_per_second=ramp_watts,
                heat_mhz=warmth.top_mhz,
                emergency=warmth.emergency,
            )
    ramped = state.ramp
    if spec.ramp_up_watts_per_second is not None or spec.ramp_down_watts_per_second is not None:
        wished = {uuid: ramp.Setting(each.limit_watts, each.clock_mhz) for uuid, each in targets.items()}
        ramped, slower = ramp.step(spec, state.ramp, seen, groups, wished)
        targets |= {uuid: _slower(targets[uuid], each) for uuid, each in slower.items()}
    return NodeDecision(
        state=NodeState(
            clocks={key: kept for group in clocked.values() for key, kept in group.states.items()},
            ceilings={name: group.ceiling for name, group in clocked.items()},
            wants={name: group.want for name, group in clocked.items()},
            ramp=ramped,
            cool_watts=cool_watts,
            plan=plan,
        ),
        targets=targets,
        demand_watts=held_watts + fsum(claim.demand_watts for claim in claims),
        floors_exceed=held_watts + fsum(claim.floor_watts for claim in claims) > seen.budget_watts,
        heat_freed_watts=fsum(max(0.0, cool_watts[claim.name] - claim.demand_watts) for claim in claims),
    )


def _slower(target: GpuTarget, now: ramp.Setting) -> GpuTarget:
    """Return how far a GPU goes now on its way to its target."""
    limit_moves, clock_moves = now.limit_watts != target.limit_watts, now.clock_mhz != target.clock_mhz
    return target._replace(
        limit_watts=now.limit_watts,
        clock_mhz=now.clock_mhz,
        limit_why="Ramp" if limit_moves else target.limit_why,
        limit_detail=f"on its way to {target.limit_watts:.0f} W, as fast as the node's ramp allows"
        if limit_moves
        else target.limit_detail,
        clock_why="Ramp" if clock_moves else target.clock_why,
        clock_detail="on its way, as fast as the node's ramp allows" if clock_moves else target.clock_detail,
    )


class _Clocked(NamedTuple):
    clock_mhz: int | None
    why: str
    detail: str
    demand_watts: float
    """Draw, not bound; infinite where nothing can be said."""
    states: Mapping[ReplicaKey, clock.ClockState]
    ceiling: CeilingState
    want: WantState


def _clock(plan: Plan, group: Group, state: NodeState, seen: NodeSeen, warmth: heat.Warmth) -> _Clocked:
    """Return the clock of a group: the keenest of its replicas' requests, inside the tightest of its bounds."""
    readings = [gpu.reading for _, gpu in group.members if gpu.reading is not None]
    draw_watts = fsum(reading.watts for reading in readings)
    limited = [_limited(gpu) for _, gpu in group.members]
    supported = plan.supported(group)
    fence = ceiling.step(
        state.ceilings.get(group.name, CeilingState()),
        supported,
        seen.at_seconds,
        [
            (r.clock_mhz, r.watts / max(r.limit_watts, 1.0), bound)
            for r, bound in zip(readings, limited, strict=True)
        ],
    )
    tops = [top for top in (warmth.most_mhz, fence.top_mhz) if top is not None]
    allowed = below(supported, min(tops)) if tops else supported
    if warmth.most_mhz is not None and supported and warmth.most_mhz < supported[0]:
        allowed = below(_common(group), warmth.most_mhz)[-1:]  # no order asks for a clock that heat forbids
    full_mhz = supported[-1] if supported else None
    states: dict[ReplicaKey, clock.ClockState] = {}
    wishes: list[tuple[int, str, str]] = []
    demand_watts = 0.0
    for replica in group.replicas:
        if not allowed:
            break
        key = (replica.pool, replica.name)
        load = seen.replicas.get(key, UNKNOWN_REPLICA)
        decision = clock.decide(
            replica,
            clock.ClockBounds(allowed),
            state.clocks.get(key, clock.ClockState()),
            clock.ClockSeen(
                at_seconds=seen.at_seconds,
                resident_tokens=load.resident_tokens,
                capacity_tokens=load.capacity_tokens,
                slowest_agent_tokens_per_second=load.slowest_agent_tokens_per_second,
                running=load.running,
                waiting=load.waiting,
                prompt_tokens_total=load.prompt_tokens_total,
                cached_tokens_total=load.cached_tokens_total,
                generation_tokens_total=load.generation_tokens_total,
                watts=draw_watts,
                clock_mhz=min(reading.clock_mhz for reading in readings),
                limit_bound=any(limited) or group.name in state.ramp.waiting,
            ),
        )
        states[key] = decision.state
        wishes.append((decision.clock_mhz or allowed[-1], decision.why, decision.detail))
        demand_watts = max(demand_watts, decision.demand_watts)
    if not wishes:
        wishes = [(allowed[-1] if allowed else 0, "NoReplica", "no replica of ours runs here")]
        demand_watts = draw_watts * HEADROOM_RATIO
    wanting, demand_watts = want.step(
        state.wants.get(group.name, WantState()), seen.at_seconds, demand_watts, limited=any(limited)
    )
    mhz, why, detail = max(wishes)
    if tops and mhz == allowed[-1]:
        why = _bound_by(warmth, min(tops))
    return _Clocked(
        clock_mhz=None if not supported or (mhz == full_mhz and _at_device_top(group, mhz)) else mhz,
        why=why,
        detail=detail,
        demand_watts=demand_watts,
        states=states,
        ceiling=fence,
        want=wanting,
    )


def _bound_by(warmth: heat.Warmth, top_mhz: int) -> str:
    if top_mhz == warmth.top_mhz:
        return "Heat"
    return "SensorLost" if top_mhz == warmth.held_mhz else "Watts"


def _common(group: Group) -> tuple[int, ...]:
    """Return the clocks that every member supports."""
    return among(tuple(gpu.identity.clocks_mhz for _, gpu in group.members), 0, None)


def _at_device_top(group: Group, mhz: int) -> bool:
    return all(mhz == gpu.identity.clocks_mhz[-1] for _, gpu in group.members)


def _limited(gpu: GpuSeen) -> bool:
    """Whether the power limit holds this GPU back now; the event alone also means peak current."""
    reading = gpu.reading
    return reading is not None and ceiling.limited(reading)
