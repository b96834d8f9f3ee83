"""What every node is ordered: lower at once, raise only what the domains can pay for as read back."""

import math
from collections.abc import Mapping, Sequence

from wattline.api.powernode import LeaseRef, PowerNodeSpec
from wattline.controller import claims as claiming
from wattline.controller.armed import NOTHING_ARMED, Armed
from wattline.controller.facts import (
    floor_watts,
    maxima_watts,
    may_draw_watts,
    read_back_watts,
    sent_watts,
    stuck_watts,
)
from wattline.controller.held import Held
from wattline.model.bounds import bound_watts
from wattline.model.cluster import ClusterView, NodeView
from wattline.policy.share import Claim, Grant, NodeClaim, share

LEASE_SECONDS = 60.0
"""An order ends this long after the agent last saw its lease renewed."""

DEAD_BAND_RATIO = 0.01
DEAD_BAND_WATTS = 5.0
"""A budget is left alone when it would move by less than both; ours, so that noise in demand writes nothing."""


def targets(held: Held) -> dict[str, Grant]:
    """Return what every enforced node is to get.

    Nodes that stay where they are (away, blocked, contested) and those that wait to be released are paid first;
    the others share what is left. A node that stays where it is gets no more than it would if it moved.
    """
    leaving = {node.name: release_watts(node) for node in held.leaving}
    moving = _shared(held, pinned=leaving)
    stuck = {node.name: stays for node in held.enforced if (stays := stuck_watts(node)) is not None}
    if not stuck:
        return moving
    given = _shared(held, pinned=stuck | leaving)
    return {name: grant if name in stuck else given[name] for name, grant in moving.items()}


def fair(held: Held) -> dict[str, Grant]:
    """Return what every held node would get if all of them followed and stayed."""
    return _shared(held, pinned={})


def would_get(held: Held) -> dict[str, Grant]:
    """Return what every node that is only observed would get if all domains were enforced."""
    names = {node.name for node in held.observed}
    everyone = _shared(held, pinned={}, observed_too=True)
    return {name: grant for name, grant in everyone.items() if name in names}


def failsafes(held: Held) -> dict[str, float]:
    """Return the budget of each node once its lease has ended: its share if nobody asked for anything.

    It does not move with demand, and the agent never rises to it, so it can only lower the sum.
    """
    resting = _shared(held, pinned={}, resting=True)
    return {name: grant.watts for name, grant in resting.items()}


def raises(held: Held, wanted: Mapping[str, float], frozen: frozenset[str]) -> dict[str, float]:
    """Return what each node may be raised to now, by name; nodes in ``frozen`` may not and are left out.

    Everything counts at what it may draw as read back, so a decrease pays only once it is read back.
    """
    claims = [
        NodeClaim(held.tree.hangs_on[node.name], Claim(node.name, may, max(may, want), want))
        for node in (*held.enforced, *held.leaving, *held.standing)
        for may in [may_draw_watts(node)]
        for want in [may if node.name in frozen else wanted.get(node.name, may)]
    ]
    granted = share(held.tree.claims(), claims)
    return {grant.name: grant.watts for grant in granted if grant.name not in frozen}


def release_watts(node: NodeView) -> float:
    """Return what a node may draw while and after it is put back to what it was before us."""
    gpus = () if node.status is None else node.status.gpus
    before = math.fsum(bound_watts(g.product, g.previous_watts or g.default_watts, g.max_watts) for g in gpus)
    return max(before, may_draw_watts(node))


def hold(
    node: NodeView,
    view: ClusterView,
    held: Held,
    watts: float,
    failsafe_watts: float,
    armed: Armed = NOTHING_ARMED,
) -> PowerNodeSpec:
    """Return an enforcing order of ``watts``; the present order itself if it says the same already."""
    assert node.status is not None
    domain = held.tree.hangs_on[node.name]
    first = node.spec is None or not node.spec.enforce
    order = PowerNodeSpec(
        epoch=view.epoch,
        lease=LeaseRef(name=held.tree.root(node.name), duration_seconds=LEASE_SECONDS),
        enforce=True,
        release=False,
        domain=domain,
        budget_watts=watts,
        highest_sent_watts=max(watts, maxima_watts(node) if first else sent_watts(node)),
        failsafe_watts=failsafe_watts,
        emergency=armed.emergency,
        ramp_up_watts_per_second=armed.ramp_up_watts_per_second,
        ramp_down_watts_per_second=armed.ramp_down_watts_per_second,
        gpus=claiming.gpu_orders(view, node),
        replicas=claiming.replica_orders(view, node),
    )
    was = node.spec
    if was is not None and was == order.model_copy(update={"highest_sent_watts": was.highest_sent_watts}):
        return was
    return order


def next_watts(node: NodeView, target: float, raised: float | None, *, settled: bool) -> float:
    """Return a node's next budget: down to its target at once, up as far as is paid for.

    A node that is held for the first time starts no higher than the limits it was found with. Small moves are
    left out while every domain above it is ``settled`` inside its budget.
    """
    assert node.status is not None
    least = floor_watts(node.status.gpus)
    if node.spec is None or not node.spec.enforce:
        return max(least, min(target, read_back_watts(node)))
    now = node.spec.budget_watts
    if target <= now:
        return now if settled and small(now - target, now) else target
    reachable = now if raised is None else min(target, raised)
    return now if reachable <= now or small(reachable - now, now) else reachable


def small(move_watts: float, now_watts: float) -> bool:
    """Whether a move of a budget is not worth a write."""
    return abs(move_watts) < min(DEAD_BAND_WATTS, DEAD_BAND_RATIO * now_watts)


def _shared(
    held: Held,
    *,
    pinned: Mapping[str, float],
    observed_too: bool = False,
    resting: bool = False,
) -> dict[str, Grant]:
    sub: list[NodeClaim] = []
    parts: dict[str, list[str]] = {}
    pinned = {node.name: may_draw_watts(node) for node in held.standing} | dict(pinned)
    observed = held.observed if observed_too else ()
    for node in (*held.enforced, *held.leaving, *held.standing, *observed):
        domain = held.tree.hangs_on[node.name]
        claims: Sequence[Claim]
        if node.name in pinned:
            claims = [Claim(node.name, pinned[node.name], pinned[node.name], pinned[node.name])]
        else:
            claims = held.claims[node.name]
        for claim in claims:
            asked = claim.floor_watts if resting else claim.demand_watts
            sub.append(NodeClaim(domain, claim._replace(demand_watts=asked)))
        parts[node.name] = [claim.name for claim in claims]
    grants = {grant.name: grant for grant in share(held.tree.claims(observed_too=observed_too), sub)}
    return {node: claiming.together(node, [grants[part] for part in names]) for node, names in parts.items()}
