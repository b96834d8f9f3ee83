"""``weights``: how much of a pool's load each replica should get, by the headroom of the place where it runs.

A replica's weight is the least of three headrooms, each as a share of its whole: degrees to the bound, watts that its
row has left, memory that its engine has left. Where one of them is used up the replica is at risk and gets nothing, so
that heat and watts fall there before anything is throttled. After TAPAS (arXiv 2501.02600, by secondary accounts), which
routes by load and by slack of temperature and power.

Ours: that the least headroom counts. Where all are at risk somebody has to serve, and all get the same. And a weight
goes only a share of its way each time: the headroom that it follows is what it changes, and a row that all pools leave
at once is the row that all pools find empty the next time. Only who is beyond its bound of heat is left at once, for
that is one replica and not a row.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Why(StrEnum):
    """What a weight follows from."""

    HEAT = "Heat"
    POWER = "Power"
    MEMORY = "Memory"
    AT_RISK = "AtRisk"
    ALL_AT_RISK = "AllAtRisk"


@dataclass(frozen=True, slots=True)
class WeightsSpec:
    """What counts as headroom, and how fast weights move."""

    risk_celsius: float = 3.0
    """Closer to its bound a replica is at risk; ours: the error a model may have, and one degree."""
    whole_celsius: float = 20.0
    """Degrees to the bound that count as all one could want; ours."""
    risk_power_ratio: float = 0.03
    """Share of a row's watts below which its replicas are at risk; ours."""
    whole_power_ratio: float = 0.25
    """Share of a row's watts that counts as all one could want; ours."""
    step_ratio: float = 0.2
    """Share of its way that a weight goes in one decision; ours: stable while moving all of the load that can be moved
    changes headrooms by less than ten times themselves."""


@dataclass(frozen=True, slots=True)
class ReplicaSeen:
    """Where one replica stands."""

    name: str
    celsius: float | None
    """Its hottest GPU as foreseen; none: nothing is known, and heat does not speak."""
    most_celsius: float
    row_left_ratio: float | None
    """Watts that its row has left, as a share of the row's; none: no row has a budget."""
    memory_left_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Weight:
    """What one replica gets."""

    name: str
    ratio: float
    """Its share of the pool's load; all of a pool add up to one."""
    why: Why


@dataclass(frozen=True, slots=True)
class WeightsState:
    """What one decision hands to the next."""

    ratios: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WeightsDecision:
    """Weights of a pool."""

    state: WeightsState
    weights: tuple[Weight, ...]


def decide(spec: WeightsSpec, state: WeightsState, replicas: Sequence[ReplicaSeen]) -> WeightsDecision:
    """Return a weight per replica, in order."""
    if not replicas:
        return WeightsDecision(WeightsState(), ())
    judged = [_headroom(spec, each) for each in replicas]
    total = math.fsum(room for room, _ in judged)
    if total <= 0:
        judged = [(1.0, Why.ALL_AT_RISK)] * len(replicas)
        total = float(len(replicas))
    known = all(each.name in state.ratios for each in replicas)
    ratios = []
    for each, (room, _) in zip(replicas, judged, strict=True):
        wanted = room / total
        before = state.ratios[each.name] if known else wanted
        too_hot = room == 0 and each.celsius is not None and each.celsius > each.most_celsius
        ratios.append(0.0 if too_hot else before + spec.step_ratio * (wanted - before))
    whole = math.fsum(ratios)
    if whole <= 0:
        ratios, whole = [1.0] * len(replicas), float(len(replicas))
    weights = tuple(
        Weight(each.name, ratio / whole, why)
        for each, ratio, (_, why) in zip(replicas, ratios, judged, strict=True)
    )
    return WeightsDecision(WeightsState({each.name: each.ratio for each in weights}), weights)


def _headroom(spec: WeightsSpec, seen: ReplicaSeen) -> tuple[float, Why]:
    rooms = [(min(1.0, max(0.0, seen.memory_left_ratio)), Why.MEMORY)]
    if seen.celsius is not None:
        left = seen.most_celsius - seen.celsius
        rooms.append((0.0 if left < spec.risk_celsius else min(1.0, left / spec.whole_celsius), Why.HEAT))
    if seen.row_left_ratio is not None:
        left = seen.row_left_ratio
        rooms.append(
            (0.0 if left < spec.risk_power_ratio else min(1.0, left / spec.whole_power_ratio), Why.POWER)
        )
    room, why = min(rooms, key=lambda each: each[0])
    return (room, why) if room > 0 else (0.0, Why.AT_RISK)
