"""One pass of the reconcile loop, as a function: what is seen in, orders and statuses out.

Promise 1 in four steps. A node counts at the most it may draw as read back (`facts`). Every domain is judged on
that (`verdict`). Targets come from ``policy.share``, with what cannot move paid first (`orders.targets`). Budgets
go down to their targets at once, and up only into room that is read back as free, in domains that hold
(`orders.raises`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.powerdomain import Mode, PowerDomainStatus
from wattline.api.powernode import LeaseRef, PowerNodeSpec
from wattline.controller import claims, orders
from wattline.controller.conditions import accepted, draw_watts, pool_status, stamped
from wattline.controller.facts import may_draw_watts
from wattline.controller.tree import Tree, tree
from wattline.controller.verdict import Verdict, condition, judge, observe
from wattline.model.actions import Action
from wattline.model.cluster import ClusterView, NodeView
from wattline.model.fleet import full_name
from wattline.policy.share import Grant


@dataclass(frozen=True, slots=True)
class Decisions:
    """What one pass wants written; statuses first, then orders, then leases."""

    orders: Mapping[str, PowerNodeSpec] = field(default_factory=dict)
    domains: Mapping[str, PowerDomainStatus] = field(default_factory=dict)
    pools: Mapping[str, InferencePoolStatus] = field(default_factory=dict)
    leases: tuple[str, ...] = ()
    grants: Mapping[str, Grant] = field(default_factory=dict)
    """What each node is to get once everything is read back, and why."""
    may_draw_watts: Mapping[str, float] = field(default_factory=dict)
    """What each held node may draw now."""
    actions: tuple[Action, ...] = ()
    """What else is to be done; none on a box."""


def decide(view: ClusterView, at: str) -> Decisions:
    """Return what follows from a view; ``at`` is the time that changed conditions are stamped with."""
    held = _held(view)
    verdicts = {
        domain.metadata.name: judge(held.tree, domain, dict(view.nodes)) for domain in held.tree.enforcing()
    }
    frozen = _frozen(view, held, verdicts)
    grants = orders.targets(held)
    raised = orders.raises(held, {name: grant.watts for name, grant in grants.items()}, frozen)
    failsafes = orders.failsafes(held)
    released, waiting = _releases(held, verdicts)

    sent: dict[str, PowerNodeSpec] = {}
    for node in held.enforced:
        settled = all(verdict.holds for verdict in _above(held.tree, node.name, verdicts))
        watts = orders.next_watts(node, grants[node.name].watts, raised.get(node.name), settled=settled)
        sent[node.name] = orders.hold(node, view, held, watts, failsafes[node.name])
    fair = orders.fair(held) if held.leaving else {}
    for node in held.leaving:
        assert node.spec is not None
        if node in released:
            sent[node.name] = _release(node.spec, view)
            continue
        settled = all(verdict.holds for verdict in _above(held.tree, node.name, verdicts))
        now = node.spec.budget_watts
        watts = now if settled else min(now, fair[node.name].watts)
        sent[node.name] = orders.hold(node, view, held, watts, min(watts, node.spec.failsafe_watts))
    for node in held.released:
        assert node.spec is not None
        sent[node.name] = _release(node.spec, view)
    for node in held.unknown:
        assert node.spec is not None
        sent[node.name] = node.spec.model_copy(update={"epoch": view.epoch})
    would = orders.would_get(held)
    for node in held.observed:
        sent[node.name] = _observe(node, view, held, would[node.name].watts)

    return Decisions(
        orders=sent,
        domains=_domain_statuses(view, held, verdicts, waiting, at),
        pools={full_name(pool): pool_status(pool, view, at) for pool in view.fleet.pools},
        leases=tuple(sorted({held.tree.root(node) for node in held.tree.hangs_on})),
        grants=grants | would,
        may_draw_watts={node.name: may_draw_watts(node) for node in (*held.enforced, *held.leaving)},
    )


def _held(view: ClusterView) -> orders.Held:
    declared = tree(view.fleet)
    enforced = {
        name for name, chain in declared.chains.items() if any(d.spec.mode is Mode.ENFORCE for d in chain)
    }
    leaving: list[tuple[str, str]] = []
    released: list[NodeView] = []
    for node in view.nodes.values():
        if node.name in declared.hangs_on or node.spec is None:
            continue
        if node.spec.enforce and node.spec.domain in enforced:
            leaving.append((node.name, node.spec.domain))
        else:
            released.append(node)
    whole = tree(view.fleet, leaving)
    gone = {name for name, _ in leaving}
    under = [node for node in view.nodes.values() if node.name in whole.hangs_on]
    known = [node for node in under if node.status is not None and node.status.gpus]
    names = {node.name for node in known}
    return orders.Held(
        tree=whole,
        claims={node.name: tuple(claims.node_claims(view.fleet, node)) for node in known},
        enforced=tuple(node for node in known if node.name not in gone and whole.enforced(node.name)),
        leaving=tuple(node for node in known if node.name in gone),
        observed=tuple(node for node in known if not whole.enforced(node.name)),
        released=tuple(released),
        unknown=tuple(node for node in under if node.name not in names and node.spec is not None),
    )


def _above(over: Tree, node: str, verdicts: Mapping[str, Verdict]) -> list[Verdict]:
    """Return the verdicts of the enforced domains above a node."""
    names = (domain.metadata.name for domain in over.chain(node))
    return [verdicts[name] for name in names if name in verdicts]


def _frozen(view: ClusterView, held: orders.Held, verdicts: Mapping[str, Verdict]) -> frozenset[str]:
    """Return the nodes that may not be raised now: all while a predecessor's orders stand, those under a domain
    that does not hold, and those that would not follow.
    """
    if any(node.spec is not None and node.spec.epoch != view.epoch for node in view.nodes.values()):
        return frozenset(node.name for node in held.enforced)
    return frozenset(
        node.name
        for node in held.enforced
        if node.readings is None
        or not all(verdict.holds for verdict in _above(held.tree, node.name, verdicts))
    )


def _releases(
    held: orders.Held, verdicts: Mapping[str, Verdict]
) -> tuple[tuple[NodeView, ...], dict[str, list[str]]]:
    """Return the leaving nodes whose previous limits fit as read back, and per domain what others wait for."""
    room = {name: v.domain.spec.budget.watts - v.may_draw_watts for name, v in verdicts.items()}
    released: list[NodeView] = []
    waiting: dict[str, list[str]] = {}
    for node in held.leaving:
        above = [v.domain.metadata.name for v in _above(held.tree, node.name, verdicts)]
        more = orders.release_watts(node) - may_draw_watts(node)
        if all(room[name] >= more for name in above):
            released.append(node)
            for name in above:
                room[name] -= more
            continue
        for name in above:
            waiting.setdefault(name, []).append(
                f"{node.name} needs {more - room[name]:.0f} W more than is free"
            )
    return tuple(released), waiting


def _domain_statuses(
    view: ClusterView,
    held: orders.Held,
    verdicts: Mapping[str, Verdict],
    waiting: Mapping[str, list[str]],
    at: str,
) -> dict[str, PowerDomainStatus]:
    statuses: dict[str, PowerDomainStatus] = {}
    for domain in view.fleet.domains:
        name = domain.metadata.name
        enforce = domain.spec.mode is Mode.ENFORCE
        verdict = verdicts[name] if enforce else observe(held.tree, domain, dict(view.nodes))
        conditions = [accepted(domain.metadata.generation), condition(verdict)]
        if name in waiting:
            conditions.append(
                Condition(
                    type="Released",
                    status=ConditionStatus.FALSE,
                    reason="ReleaseWaitsForWatts",
                    message="; ".join(waiting[name]),
                    observed_generation=domain.metadata.generation,
                )
            )
        draws = [draw_watts(view.nodes.get(node)) for node in held.tree.members[name]]
        known = [draw for draw in draws if draw is not None]
        statuses[name] = PowerDomainStatus(
            observed_generation=domain.metadata.generation,
            may_draw_watts=verdict.may_draw_watts if math.isfinite(verdict.may_draw_watts) else None,
            draw_watts=math.fsum(known) if len(known) == len(draws) else None,
            conditions=stamped(conditions, view.domains.get(name), at),
        )
    return statuses


def _release(spec: PowerNodeSpec, view: ClusterView) -> PowerNodeSpec:
    return spec.model_copy(
        update={"epoch": view.epoch, "enforce": False, "release": spec.enforce or spec.release}
    )


def _observe(node: NodeView, view: ClusterView, held: orders.Held, would_get_watts: float) -> PowerNodeSpec:
    """Return an order that touches nothing and tells the agent what it would be given."""
    was = node.spec
    steady = (
        was is not None
        and not was.enforce
        and orders.small(would_get_watts - was.budget_watts, was.budget_watts)
    )
    watts = was.budget_watts if was is not None and steady else would_get_watts
    return PowerNodeSpec(
        epoch=view.epoch,
        lease=LeaseRef(name=held.tree.root(node.name), duration_seconds=orders.LEASE_SECONDS),
        enforce=False,
        release=was is not None and (was.enforce or was.release),
        domain=held.tree.hangs_on[node.name],
        budget_watts=watts,
        highest_sent_watts=watts,
        failsafe_watts=watts,
        gpus=claims.gpu_orders(view.fleet, node),
        replicas=claims.replica_orders(view.fleet, node.name),
    )
