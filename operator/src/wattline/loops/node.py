"""One second of a node: from its budget, its readings and its replicas' loads to a limit and a clock per GPU.

The node agent's device process and the simulator both call ``decide``. Bounds combine by minimum over their
sources (order, heat, watts) and over the GPUs of a group; requests of replicas combine by maximum and are then
clipped to the bounds; all GPUs of a group take the group's value. Watts are divided among the groups by
``policy.share`` over what the limits promise (``model.bounds``), so that the sum of bounds never exceeds the
budget as long as the devices' least limits fit it. ``loops.moves`` says in which order the result may be written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import floor, fsum, inf

from wattline.api.base import PowerClass
from wattline.api.powernode import GpuOrder, PowerNodeSpec, ReplicaOrder
from wattline.loops import ceiling
from wattline.model.bounds import bound_watts, limit_for
from wattline.model.gpu import GpuIdentity, GpuReading
from wattline.policy import clock, share

ReplicaKey = tuple[str, str]
"""Pool and name of a replica."""

HEADROOM_RATIO = 1.25
"""Ours: a GPU whose work we do not know is taken to want a quarter more than it draws."""

CLASSES = tuple(PowerClass)
"""Keenest first."""


@dataclass(frozen=True, slots=True)
class GpuSeen:
    """One ordered GPU as its agent knows it."""

    identity: GpuIdentity
    reading: GpuReading | None
    """None while the GPU does not answer."""
    held: str = ""
    """Why it cannot be written now; empty when it can. It is then counted at its bound as it stands."""
    contested: bool = False
    """Somebody else writes it too, so that only its greatest limit is certain."""
    clock_top_mhz: int | None = None
    """Fastest clock that heat allows; none while heat binds nothing."""

    @property
    def limit_watts(self) -> float | None:
        """Return the limit that was read back, the greater of what is asked for and what is enforced."""
        if self.reading is None or self.contested:
            return None
        return max(self.reading.limit_watts, self.reading.asked_watts or 0.0)

    @property
    def bound_watts(self) -> float:
        """Return the most this GPU can draw as it stands; its maximum where that is not known."""
        return bound_watts(self.identity.product, self.limit_watts, self.identity.max_watts)


@dataclass(frozen=True, slots=True)
class ReplicaSeen:
    """One replica as gateway and engine say; what is not known is None."""

    resident_tokens: int | None = None
    capacity_tokens: int | None = None
    slowest_agent_tokens_per_second: float | None = None
    running: int = 0
    waiting: int = 0
    prompt_tokens_total: float = 0.0
    cached_tokens_total: float = 0.0
    generation_tokens_total: float = 0.0


UNKNOWN_REPLICA = ReplicaSeen()
"""A replica that nobody speaks of: its clock is not lowered and goes to the top of its bounds."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """What one step of the loop looks at."""

    at_seconds: float
    budget_watts: float
    """The tightest budget that is in force."""
    gpus: Mapping[str, GpuSeen]
    replicas: Mapping[ReplicaKey, ReplicaSeen] = field(default_factory=dict)
    tighten_only: bool = False
    """No limit may rise: the lease has ended."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """What one step hands to the next."""

    clocks: Mapping[ReplicaKey, clock.ClockState] = field(default_factory=dict)
    ceilings: Mapping[str, ceiling.CeilingState] = field(default_factory=dict)
    """By group: the clock bound that follows from its watts."""


@dataclass(frozen=True, slots=True)
class GpuTarget:
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


@dataclass(frozen=True, slots=True)
class NodeDecision:
    """Targets of the writable GPUs, and what the node would want."""

    state: NodeState
    targets: Mapping[str, GpuTarget]
    demand_watts: float
    """Predicted draw at the clocks the objectives could need, as bounds."""
    floors_exceed: bool
    """Even the devices' least limits exceed the budget."""


def decide(spec: PowerNodeSpec, state: NodeState, seen: NodeSeen) -> NodeDecision:
    """Return limits and clocks for every GPU of ``spec`` that can be written."""
    groups = _groups(spec, seen)
    held_watts = fsum(gpu.bound_watts for gpu in seen.gpus.values() if gpu.held or gpu.reading is None)
    clocked = {group.name: _clock(group, state, seen) for group in groups}
    free_watts = max(0.0, seen.budget_watts - held_watts)
    claims = _claims(free_watts, groups, clocked)
    grants = {grant.name: grant for grant in share.divide(free_watts, claims, name="the node's budget")}
    targets: dict[str, GpuTarget] = {}
    for group in groups:
        limits = _limits(group, grants[group.name].watts)
        for order, gpu in group.members:
            wanted = limits[order.uuid]
            if seen.tighten_only and gpu.limit_watts is not None:
                wanted = max(gpu.identity.min_watts, min(gpu.limit_watts, wanted))
            mine, granted = clocked[group.name], grants[group.name]
            targets[order.uuid] = GpuTarget(
                wanted, mine.clock_mhz, granted.why, granted.detail, mine.why, mine.detail
            )
    return NodeDecision(
        state=NodeState(
            clocks={key: kept for group in clocked.values() for key, kept in group.states.items()},
            ceilings={name: group.ceiling for name, group in clocked.items()},
        ),
        targets=targets,
        demand_watts=held_watts + fsum(claim.demand_watts for claim in claims),
        floors_exceed=held_watts + fsum(claim.floor_watts for claim in claims) > seen.budget_watts,
    )


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    members: Sequence[tuple[GpuOrder, GpuSeen]]
    """Writable ones only."""
    replicas: Sequence[ReplicaOrder]

    @property
    def power_class(self) -> PowerClass:
        return min((order.power_class for order, _ in self.members), key=CLASSES.index)


@dataclass(frozen=True, slots=True)
class _Clocked:
    clock_mhz: int | None
    why: str
    detail: str
    demand_watts: float
    """Draw, not bound; infinite where nothing can be said."""
    states: Mapping[ReplicaKey, clock.ClockState]
    ceiling: ceiling.CeilingState


def _groups(spec: PowerNodeSpec, seen: NodeSeen) -> list[_Group]:
    members: dict[str, list[tuple[GpuOrder, GpuSeen]]] = {}
    for order in spec.gpus:
        gpu = seen.gpus.get(order.uuid)
        if gpu is not None and gpu.reading is not None and not gpu.held:
            members.setdefault(order.group, []).append((order, gpu))
    return [
        _Group(
            name,
            found,
            [r for r in spec.replicas if not {order.uuid for order, _ in found}.isdisjoint(r.gpus)],
        )
        for name, found in members.items()
    ]


def _clock(group: _Group, state: NodeState, seen: NodeSeen) -> _Clocked:
    """Return the clock of a group: the keenest of its replicas' requests, inside the tightest of its bounds."""
    readings = [gpu.reading for _, gpu in group.members if gpu.reading is not None]
    draw_watts = fsum(reading.watts for reading in readings)
    limited = [_limited(gpu) for _, gpu in group.members]
    supported = _supported(group)
    fence = ceiling.step(
        state.ceilings.get(group.name, ceiling.CeilingState()),
        supported,
        seen.at_seconds,
        [
            (r.clock_mhz, r.watts / max(r.limit_watts, 1.0), bound)
            for r, bound in zip(readings, limited, strict=True)
        ],
    )
    heat_mhz = min(
        (gpu.clock_top_mhz for _, gpu in group.members if gpu.clock_top_mhz is not None), default=None
    )
    tops = [top for top in (heat_mhz, fence.top_mhz) if top is not None]
    allowed = _below(supported, min(tops, default=None))
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
                limit_bound=any(limited),
            ),
        )
        states[key] = decision.state
        wishes.append((decision.clock_mhz or allowed[-1], decision.why, decision.detail))
        demand_watts = max(demand_watts, decision.demand_watts)
    if not wishes:
        wishes = [(allowed[-1] if allowed else 0, "NoReplica", "no replica of ours runs here")]
        demand_watts = inf if any(limited) else draw_watts * HEADROOM_RATIO
    mhz, why, detail = max(wishes)
    if tops and mhz == allowed[-1]:
        why = "Heat" if heat_mhz is not None and heat_mhz == min(tops) else "Watts"
    return _Clocked(
        clock_mhz=None if not supported or (mhz == full_mhz and _at_device_top(group, mhz)) else mhz,
        why=why,
        detail=detail,
        demand_watts=demand_watts,
        states=states,
        ceiling=fence,
    )


def _supported(group: _Group) -> tuple[int, ...]:
    """Return the clocks that every member supports and every order allows, slowest first; one at least, if any."""
    return _allowed(
        tuple({gpu.identity.clocks_mhz: None for _, gpu in group.members}),
        max((order.clock_mhz_min or 0 for order, _ in group.members), default=0),
        min(
            (order.clock_mhz_max for order, _ in group.members if order.clock_mhz_max is not None),
            default=None,
        ),
    )


@lru_cache(maxsize=64)
def _allowed(tables_mhz: tuple[tuple[int, ...], ...], low_mhz: int, high_mhz: int | None) -> tuple[int, ...]:
    common = set(tables_mhz[0]).intersection(*tables_mhz[1:])
    below = _below(tuple(sorted(common)), high_mhz)
    return tuple(mhz for mhz in below if mhz >= low_mhz) or below[-1:]


def _below(clocks_mhz: tuple[int, ...], top_mhz: int | None) -> tuple[int, ...]:
    """Return the clocks up to ``top_mhz``; the slowest alone when all are faster."""
    if top_mhz is None:
        return clocks_mhz
    return tuple(mhz for mhz in clocks_mhz if mhz <= top_mhz) or clocks_mhz[:1]


def _at_device_top(group: _Group, mhz: int) -> bool:
    return all(mhz == gpu.identity.clocks_mhz[-1] for _, gpu in group.members)


def _limited(gpu: GpuSeen) -> bool:
    """Whether the power limit holds this GPU back now; the event alone also means peak current."""
    reading = gpu.reading
    return reading is not None and ceiling.limited(reading)


def _claims(
    free_watts: float, groups: Sequence[_Group], clocked: Mapping[str, _Clocked]
) -> list[share.Claim]:
    """Return each group's claim; the orders' least limits give way where they do not fit, the devices' cannot."""
    asked = [_claim(group, clocked[group.name].demand_watts, ordered=True) for group in groups]
    if fsum(claim.floor_watts for claim in asked) > free_watts:
        asked = [_claim(group, clocked[group.name].demand_watts, ordered=False) for group in groups]
    return asked


def _claim(group: _Group, demand_watts: float, *, ordered: bool) -> share.Claim:
    least = fsum(
        bound_watts(gpu.identity.product, _watts_min(order, gpu, ordered=ordered), gpu.identity.max_watts)
        for order, gpu in group.members
    )
    top = fsum(
        bound_watts(gpu.identity.product, _watts_max(order, gpu), gpu.identity.max_watts)
        for order, gpu in group.members
    )
    demand = fsum(
        bound_watts(gpu.identity.product, demand_watts / len(group.members), gpu.identity.max_watts)
        for _, gpu in group.members
    )
    return share.Claim(
        name=group.name,
        floor_watts=least,
        ceiling_watts=max(least, top),
        demand_watts=min(max(demand, least), max(least, top)),
        power_class=group.power_class,
        weight=float(len(group.members)),
    )


def _limits(group: _Group, granted_watts: float) -> dict[str, float]:
    """Return each member's limit under the group's grant: one value, unless a device's own range forbids it."""
    each = share.divide(
        granted_watts,
        [
            share.Claim(
                order.uuid,
                floor_watts=bound_watts(gpu.identity.product, gpu.identity.min_watts, gpu.identity.max_watts),
                ceiling_watts=bound_watts(
                    gpu.identity.product, _watts_max(order, gpu), gpu.identity.max_watts
                ),
                demand_watts=0.0,
            )
            for order, gpu in group.members
        ],
    )
    value = min(
        limit_for(gpu.identity.product, grant.watts)
        for (_, gpu), grant in zip(group.members, each, strict=True)
    )
    value = (
        floor(value * 1000) / 1000
    )  # devices take milliwatts; rounded down, so that the bound stays inside
    return {
        order.uuid: min(max(value, gpu.identity.min_watts), _watts_max(order, gpu))
        for order, gpu in group.members
    }


def _watts_min(order: GpuOrder, gpu: GpuSeen, *, ordered: bool) -> float:
    least = max(order.watts_min or 0.0, gpu.identity.min_watts) if ordered else gpu.identity.min_watts
    return min(least, _watts_max(order, gpu))


def _watts_max(order: GpuOrder, gpu: GpuSeen) -> float:
    return max(gpu.identity.min_watts, min(order.watts_max or gpu.identity.max_watts, gpu.identity.max_watts))
