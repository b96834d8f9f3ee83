"""One pass of the reconcile loop, as a function: what is seen in, orders and statuses out.

Promise 1 in four steps. A node counts at the most it may draw as read back (`facts`). Every domain is judged on
that (`verdict`). Targets come from ``policy.share``, with what cannot move paid first (`orders.targets`). Budgets
go down to their targets at once, and up only into room that is read back as free, in domains that hold
(`orders.raises`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline.api.agentworkflow import AgentWorkflowStatus
from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.api.powernode import LeaseRef, PowerNodeSpec
from wattline.controller import claims, orders
from wattline.controller.armed import NOTHING_ARMED, armed
from wattline.controller.children import children
from wattline.controller.domains import domain_statuses, problems_of
from wattline.controller.facts import maxima_watts, may_draw_watts
from wattline.controller.held import Held
from wattline.controller.held import held as held_nodes
from wattline.controller.marks import forgotten, marks, may_enforce, put_back
from wattline.controller.placement import placed
from wattline.controller.pools import pool_statuses
from wattline.controller.said import said, workflows_said
from wattline.controller.tree import Tree
from wattline.controller.verdict import Verdict, disputed, judge
from wattline.controller.workflows import workflow_actions, workflow_statuses
from wattline.model.actions import Action
from wattline.model.cluster import ClusterView, NodeView
from wattline.policy.share import Grant


@dataclass(frozen=True, slots=True)
class Decisions:
    """What one pass wants written and done; statuses first, then orders, actions, leases."""

    orders: Mapping[str, PowerNodeSpec] = field(default_factory=dict)
    domains: Mapping[str, PowerDomainStatus] = field(default_factory=dict)
    pools: Mapping[str, InferencePoolStatus] = field(default_factory=dict)
    workflows: Mapping[str, AgentWorkflowStatus] = field(default_factory=dict)
    """Without the part that a run's runner writes."""
    leases: tuple[str, ...] = ()
    grants: Mapping[str, Grant] = field(default_factory=dict)
    """What each node is to get once everything is read back, and why."""
    may_draw_watts: Mapping[str, float] = field(default_factory=dict)
    """What each held node may draw now."""
    actions: tuple[Action, ...] = ()
    """What else is to be done; none on a box."""


def decide(view: ClusterView, at: str) -> Decisions:
    """Return what follows from a view; ``at`` is the time that changed conditions are stamped with."""
    held = held_nodes(view)
    verdicts = _verdicts(view, held)
    frozen = _frozen(view, held, verdicts)
    grants = orders.targets(held)
    raised = orders.raises(held, {name: grant.watts for name, grant in grants.items()}, frozen)
    failsafes = orders.failsafes(held)
    ready = armed(held)
    released, waiting = _releases(held, verdicts)

    sent: dict[str, PowerNodeSpec] = {}
    for node in held.enforced:
        if not may_enforce(node, view):
            sent[node.name] = _observe(node, view, held, grants[node.name].watts)
            continue
        settled = all(verdict.holds for verdict in _above(held.tree, node.name, verdicts))
        watts = orders.next_watts(node, grants[node.name].watts, raised.get(node.name), settled=settled)
        sent[node.name] = orders.hold(
            node, view, held, watts, failsafes[node.name], ready.get(node.name, NOTHING_ARMED)
        )
    fair = orders.fair(held) if held.leaving else {}
    for node in held.leaving:
        assert node.spec is not None
        if node in released:
            sent[node.name] = _release(node.spec, view)
            continue
        settled = all(verdict.holds for verdict in _above(held.tree, node.name, verdicts))
        now = node.spec.budget_watts
        watts = now if settled else min(now, fair[node.name].watts)
        sent[node.name] = orders.hold(
            node,
            view,
            held,
            watts,
            min(watts, node.spec.failsafe_watts),
            ready.get(node.name, NOTHING_ARMED),
        )
    would = orders.would_get(held)
    for node in held.observed:
        sent[node.name] = _observe(node, view, held, would[node.name].watts)
    for node in held.domainless:
        sent[node.name] = _observe(node, view, held, maxima_watts(node))
    for node in held.new:
        sent[node.name] = _observe(node, view, held, 0.0)
    forget = forgotten(view, held)
    for node in held.released:
        if node.spec is not None and node.name not in forget:
            sent[node.name] = _release(node.spec, view)
    for node in (*held.unknown, *held.standing, *held.unpaid):
        if node.spec is not None:
            sent[node.name] = node.spec.model_copy(update={"epoch": view.epoch})

    places = placed(view, held)
    domains = domain_statuses(view, held, verdicts, waiting, at)
    pools = pool_statuses(view, held, places, at)
    workflows = workflow_statuses(view, pools, at)
    return Decisions(
        orders=sent,
        domains=domains,
        pools=pools,
        workflows=workflows,
        leases=tuple(sorted({held.tree.root(node) for node in held.tree.hangs_on})),
        grants=grants | would,
        may_draw_watts={
            node.name: may_draw_watts(node) for node in (*held.enforced, *held.leaving, *held.standing)
        },
        actions=(
            *marks(view, held, sent),
            *children(view),
            *places.actions,
            *workflow_actions(view),
            *said(view, domains, pools, sent, places),
            *workflows_said(view, workflows),
        )
        if view.clustered
        else (),
    )


def _verdicts(view: ClusterView, held: Held) -> dict[str, Verdict]:
    problems = problems_of(view, "PowerDomain")
    found: dict[str, Verdict] = {}
    for domain in held.tree.enforcing():
        name = domain.metadata.name
        verdict = judge(held.tree, domain, dict(view.nodes))
        found[name] = disputed(verdict, problems[name]) if name in problems else verdict
    return found


def _above(over: Tree, node: str, verdicts: Mapping[str, Verdict]) -> list[Verdict]:
    """Return the verdicts of the enforced domains above a node."""
    names = (domain.metadata.name for domain in over.chain(node))
    return [verdicts[name] for name in names if name in verdicts]


def _frozen(view: ClusterView, held: Held, verdicts: Mapping[str, Verdict]) -> frozenset[str]:
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
    held: Held, verdicts: Mapping[str, Verdict]
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


def _release(spec: PowerNodeSpec, view: ClusterView) -> PowerNodeSpec:
    return spec.model_copy(
        update={"epoch": view.epoch, "enforce": False, "release": spec.enforce or spec.release}
    )


def _observe(node: NodeView, view: ClusterView, held: Held, would_get_watts: float) -> PowerNodeSpec:
    """Return an order that touches nothing and tells the agent what it would be given.

    It asks for the GPUs back until the agent has said so. From then on nobody waits for answers of this node: once it
    opts out its agent goes at once, whatever was still to be said to it.
    """
    was = node.spec
    steady = (
        was is not None
        and not was.enforce
        and orders.small(would_get_watts - was.budget_watts, was.budget_watts)
    )
    watts = was.budget_watts if was is not None and steady else would_get_watts
    hangs = node.name in held.tree.hangs_on
    return PowerNodeSpec(
        epoch=view.epoch,
        lease=LeaseRef(
            name=held.tree.root(node.name) if hangs else "", duration_seconds=orders.LEASE_SECONDS
        ),
        enforce=False,
        release=was is not None and (was.enforce or was.release) and not put_back(node),
        domain=held.tree.hangs_on[node.name] if hangs else "",
        budget_watts=watts,
        highest_sent_watts=watts,
        failsafe_watts=watts,
        gpus=claims.gpu_orders(view, node),
        replicas=claims.replica_orders(view, node),
    )
