"""``share``: divide watts among claims under a tree of budgets.

Balance runs it over domains and nodes, the node agent over the groups of one node.

Every claim first gets its floor, which is what its devices may draw under their least limits and so cannot be
taken away. Then the classes are served in order up to their demand, and last what is left goes to all up to
their ceilings, as headroom for bursts. Inside a step, claims of one weight are filled to one level (max-min
fairness); a domain that is full freezes the claims under it, the others go on rising (progressive filling over
a laminar tree, which is exact there).

Value per watt is not concave: a device pays an idle step before its first token. That step is part of every
floor, because a GPU in a fleet of standing engines cannot be switched off; so all claims are in the active set,
and above the floors water-filling by demand is the upper concave envelope. Choosing an active set begins to
matter when replicas can be stopped.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from wattline.api.base import PowerClass

GRID_WATTS = 0.001
"""Grants are whole milliwatts, rounded down, so that sums of decimal fractions stay inside a budget."""


class Why(StrEnum):
    """Why a grant is what it is."""

    AT_CEILING = "AtCeiling"
    DEMAND_MET = "DemandMet"
    SHARED = "BudgetShared"
    AT_FLOOR = "HeldAtFloor"
    FLOORS_EXCEED_BUDGET = "FloorsExceedBudget"


class Claim(NamedTuple):
    """What one node or group can use."""

    name: str
    floor_watts: float
    """Cannot get less."""
    ceiling_watts: float
    """Cannot use more."""
    demand_watts: float
    """Would use this now at the clock its objective could need."""
    power_class: PowerClass = PowerClass.STANDARD
    weight: float = 1.0


class NodeClaim(NamedTuple):
    """A claim under a domain."""

    domain: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class DomainClaim:
    """One domain of the tree; ``budget_watts`` is what its claims may get together, None constrains nothing."""

    name: str
    budget_watts: float | None
    parent: str | None = None


class Grant(NamedTuple):
    """What a claim gets."""

    name: str
    watts: float
    why: Why
    detail: str
    """One sentence a person can read."""


@dataclass(frozen=True, slots=True)
class _Pot:
    name: str
    budget_watts: float
    members: frozenset[str]


def divide(budget_watts: float, claims: Sequence[Claim], *, name: str = "budget") -> tuple[Grant, ...]:
    """Return a grant per claim, in order; their sum is at most the budget unless the floors exceed it."""
    return _shared([_Pot(name, budget_watts, frozenset([claim.name for claim in claims]))], claims)


def share(domains: Sequence[DomainClaim], claims: Sequence[NodeClaim]) -> tuple[Grant, ...]:
    """Return a grant per claim, in order; under each domain they sum to its budget at most.

    Where the floors under a domain exceed its budget, every claim under it gets its floor and says so.
    """
    return _shared(_pots(domains, claims), [node.claim for node in claims])


def _shared(pots: Sequence[_Pot], claims: Sequence[Claim]) -> tuple[Grant, ...]:
    by_name = {claim.name: claim for claim in claims}
    watts = {name: claim.floor_watts for name, claim in by_name.items()}
    bound_by: dict[str, str] = {}
    too_small: dict[str, str] = {}
    for pot in pots:
        if math.fsum([by_name[name].floor_watts for name in pot.members]) > pot.budget_watts:
            too_small |= dict.fromkeys(pot.members, pot.name)
    free = [name for name in by_name if name not in too_small]

    wanted_by_class: dict[PowerClass, dict[str, float]] = {power_class: {} for power_class in PowerClass}
    for name in free:
        claim = by_name[name]
        wanted = min(max(claim.demand_watts, claim.floor_watts), claim.ceiling_watts)
        wanted_by_class[claim.power_class][name] = wanted
    for wants in wanted_by_class.values():
        if wants:
            _fill(watts, wants, by_name, pots, bound_by)
    ceilings = {name: max(by_name[name].ceiling_watts, watts[name]) for name in free}
    _fill(watts, ceilings, by_name, pots, bound_by)

    for name in free:
        whole = math.floor(watts[name] * 1000 + 1e-6) / 1000
        watts[name] = max(by_name[name].floor_watts, min(whole, ceilings[name]))
    return tuple([_grant(claim, watts[claim.name], bound_by.get(claim.name), too_small) for claim in claims])


def _pots(domains: Sequence[DomainClaim], claims: Sequence[NodeClaim]) -> list[_Pot]:
    """Return the domains that constrain, each with the claims anywhere below it, in the order given."""
    parents = {domain.name: domain.parent for domain in domains}
    members: dict[str, set[str]] = {domain.name: set() for domain in domains}
    for node in claims:
        above: str | None = node.domain
        while above is not None:
            members[above].add(node.claim.name)
            above = parents[above]
    return [
        _Pot(domain.name, domain.budget_watts, frozenset(members[domain.name]))
        for domain in domains
        if domain.budget_watts is not None
    ]


def _fill(
    watts: dict[str, float],
    wanted: Mapping[str, float],
    claims: Mapping[str, Claim],
    pots: Sequence[_Pot],
    bound_by: dict[str, str],
) -> None:
    """Raise ``watts`` towards ``wanted``, all of one weight to one level, until budgets or wants stop them."""
    rising = {name for name, want in wanted.items() if want > watts[name]}
    while rising:
        level, full = math.inf, None
        for pot in pots:
            under = rising & pot.members
            if not under:
                continue
            room = pot.budget_watts - math.fsum([watts[name] for name in pot.members - rising])
            reached = _level([(watts[n], wanted[n], claims[n].weight) for n in under], room)
            if reached < level:
                level, full = reached, pot
        stopped = rising if full is None else rising & full.members
        for name in stopped:
            watts[name] = min(max(watts[name], level * claims[name].weight), wanted[name])
            if full is not None and watts[name] < wanted[name]:
                bound_by[name] = full.name
        rising -= stopped


def _level(ranges: Sequence[tuple[float, float, float]], room: float) -> float:
    """Return the greatest level at which Σ clip(level × weight, low, high) ≤ room; infinite if all fit."""
    if math.fsum([high for _, high, _ in ranges]) <= room:
        return math.inf
    steps = sorted(
        [(low / weight, weight) for low, _, weight in ranges]
        + [(high / weight, -weight) for _, high, weight in ranges]
    )
    total = math.fsum(low for low, _, _ in ranges)
    slope, at = 0.0, 0.0
    for where, change in steps:
        if slope > 0 and total + slope * (where - at) > room:
            break
        total += slope * (where - at)
        at = where
        slope += change
    return at + max(0.0, room - total) / slope if slope > 0 else at


def _grant(claim: Claim, watts: float, bound_by: str | None, too_small: Mapping[str, str]) -> Grant:
    if claim.name in too_small:
        detail = f"the least its devices take; the floors under {too_small[claim.name]} exceed its budget"
        return Grant(claim.name, watts, Why.FLOORS_EXCEED_BUDGET, detail)
    if watts >= claim.ceiling_watts - GRID_WATTS:
        return Grant(claim.name, watts, Why.AT_CEILING, "as much as its devices can use")
    if watts >= claim.demand_watts - GRID_WATTS:
        return Grant(
            claim.name,
            watts,
            Why.DEMAND_MET,
            f"demand {claim.demand_watts:.0f} W met; {bound_by} is full above it",
        )
    missing = f"{claim.demand_watts - watts:.0f} W short of its demand: {bound_by} is full"
    if watts <= claim.floor_watts + GRID_WATTS:
        return Grant(claim.name, watts, Why.AT_FLOOR, f"the least its devices take, {missing}")
    return Grant(claim.name, watts, Why.SHARED, missing)
