"""What every held node is given beside its budget: emergency levels that lie ready, and its part of the ramps.

Neither moves with demand, so neither is written anew while the fleet stands still, and what one node is given does
not depend on when another one heard of it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from wattline.api.powerdomain import PowerDomain
from wattline.api.powernode import EmergencyLevel
from wattline.controller.facts import may_draw_watts
from wattline.controller.held import Held
from wattline.model.cluster import NodeView
from wattline.policy.share import GRID_WATTS, Claim, NodeClaim, share


@dataclass(frozen=True, slots=True)
class Armed:
    """Part of one node's order."""

    emergency: tuple[EmergencyLevel, ...] = ()
    ramp_up_watts_per_second: float | None = None
    ramp_down_watts_per_second: float | None = None


NOTHING_ARMED = Armed()


def armed(held: Held) -> dict[str, Armed]:
    """Return what each node that is held, or waits to be released, is given; nodes without anything are left out."""
    levels: dict[str, list[EmergencyLevel]] = {}
    up: dict[str, float] = {}
    down: dict[str, float] = {}
    for domain in held.tree.enforcing():
        nodes = _below(held, domain)
        for name, level in _levels(held, domain, nodes).items():
            levels.setdefault(name, []).append(level)
        if domain.spec.ramp is None:
            continue
        parts = _parts(held, nodes)
        _tighten(up, parts, domain.spec.ramp.up_watts_per_second)
        _tighten(down, parts, domain.spec.ramp.down_watts_per_second)
    return {
        name: Armed(tuple(levels.get(name, ())), up.get(name), down.get(name))
        for name in levels.keys() | up.keys() | down.keys()
    }


def _below(held: Held, domain: PowerDomain) -> tuple[NodeView, ...]:
    """Return the nodes below a domain that something of ours holds."""
    names = {*held.tree.members[domain.metadata.name]}
    return tuple(node for node in (*held.enforced, *held.leaving, *held.standing) if node.name in names)


def _levels(held: Held, domain: PowerDomain, nodes: tuple[NodeView, ...]) -> dict[str, EmergencyLevel]:
    """Return each node's share of what an emergency of this domain leaves.

    Every device keeps its least limit, then the classes are served in order up to all they can use. A node whose
    orders stand, because what is declared about it has problems, is paid for at what it may draw.
    """
    emergency, name = domain.spec.emergency, domain.metadata.name
    if emergency is None:
        return {}
    left = domain.spec.budget.watts * emergency.budget_ratio - held.tree.beside_watts[name]
    tree = [
        replace(each, budget_watts=max(0.0, left)) if each.name == name else each
        for each in held.tree.claims()
    ]
    standing = {node.name for node in held.standing}
    claims: list[NodeClaim] = []
    parts: dict[str, list[str]] = {}
    for node in nodes:
        may = may_draw_watts(node) if node.name in standing else 0.0
        mine = (Claim(node.name, may, may, may),) if node.name in standing else held.claims[node.name]
        claims += [
            NodeClaim(held.tree.hangs_on[node.name], claim._replace(demand_watts=claim.ceiling_watts))
            for claim in mine
        ]
        parts[node.name] = [claim.name for claim in mine]
    granted = {grant.name: grant.watts for grant in share(tree, claims)}
    return {
        node: EmergencyLevel(
            level=name,
            budget_watts=math.fsum(granted[part] for part in names),
            duration_seconds=emergency.duration_seconds,
        )
        for node, names in parts.items()
        if node not in standing
    }


def _parts(held: Held, nodes: tuple[NodeView, ...]) -> dict[str, float]:
    """Return each node's part of a whole, by what its devices can use."""
    most = {node.name: math.fsum(claim.ceiling_watts for claim in held.claims[node.name]) for node in nodes}
    whole = math.fsum(most.values())
    return {name: watts / whole for name, watts in most.items()} if whole > 0 else {}


def _tighten(to: dict[str, float], parts: Mapping[str, float], watts_per_second: float | None) -> None:
    """Lower what nodes have to their part of one more domain's ramp."""
    if watts_per_second is None:
        return
    for name, part in parts.items():
        mine = max(GRID_WATTS, math.floor(part * watts_per_second * 1000) / 1000)
        to[name] = min(to.get(name, math.inf), mine)
