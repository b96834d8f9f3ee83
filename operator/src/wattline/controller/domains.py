"""Statuses of power domains."""

import math
from collections.abc import Mapping

from wattline.api.base import Condition, ConditionStatus
from wattline.api.powerdomain import Mode, PowerDomain, PowerDomainStatus
from wattline.controller.conditions import accepted, draw_watts, stamped, tenths, worded
from wattline.controller.held import Held
from wattline.controller.verdict import Verdict, condition, disputed, observe
from wattline.model.cluster import ClusterView
from wattline.model.names import MANAGED
from wattline.model.references import Problem


def problems_of(view: ClusterView, kind: str) -> dict[str, Problem]:
    """Return the first problem of each object of a kind, by full name."""
    found = {
        each.name: Problem(each.kind, each.name, (), each.message, "Unreadable")
        for each in view.broken
        if each.kind == kind
    }
    for problem in view.problems:
        if problem.kind == kind:
            found.setdefault(problem.name, problem)
    return found


def domain_statuses(
    view: ClusterView,
    held: Held,
    verdicts: Mapping[str, Verdict],
    waiting: Mapping[str, list[str]],
    at: str,
) -> dict[str, PowerDomainStatus]:
    """Return the status of every declared domain, also of those that cannot be followed."""
    problems = problems_of(view, "PowerDomain")
    statuses = {
        each.name: _refused(problems[each.name], each.generation, view, at)
        for each in view.broken
        if each.kind == "PowerDomain"
    }
    for domain in (view.declared or view.fleet).domains:
        name = domain.metadata.name
        if name not in held.tree.chains:
            statuses[name] = _refused(problems[name], domain.metadata.generation, view, at)
            continue
        enforce = domain.spec.mode is Mode.ENFORCE
        verdict = verdicts[name] if enforce else observe(held.tree, domain, dict(view.nodes))
        if not enforce and name in problems:
            verdict = disputed(verdict, problems[name])
        statuses[name] = _status(domain, view, held, verdict, problems.get(name), waiting.get(name, []), at)
    return statuses


def _status(
    domain: PowerDomain,
    view: ClusterView,
    held: Held,
    verdict: Verdict,
    problem: Problem | None,
    waiting: list[str],
    at: str,
) -> PowerDomainStatus:
    name, generation = domain.metadata.name, domain.metadata.generation
    conditions = [accepted(generation, problem, _absent(domain, view)), condition(verdict)]
    if waiting:
        conditions.append(
            Condition(
                type="Released",
                status=ConditionStatus.FALSE,
                reason="ReleaseWaitsForWatts",
                message="; ".join(waiting),
                observed_generation=generation,
            )
        )
    members = held.tree.members[name]
    draws = [draw_watts(view.nodes.get(node)) for node in members]
    known = [draw for draw in draws if draw is not None]
    return PowerDomainStatus(
        observed_generation=generation,
        may_draw_watts=tenths(verdict.may_draw_watts),
        draw_watts=tenths(math.fsum(known)) if len(known) == len(draws) else None,
        nodes=len(members),
        conditions=stamped(conditions, view.domains.get(name), at),
    )


def _absent(domain: PowerDomain, view: ClusterView) -> str:
    """Return which of the nodes that a domain names in a cluster are not opted in, in words."""
    named = [node for node in domain.spec.nodes if view.clustered]
    absent = [node for node in named if node not in view.machines or not view.machines[node].managed]
    return f"not opted in with the label {MANAGED}=true: {', '.join(absent[:3])}" if absent else ""


def _refused(problem: Problem, generation: int, view: ClusterView, at: str) -> PowerDomainStatus:
    enforced = Condition(
        type="Enforced",
        status=ConditionStatus.FALSE,
        reason=problem.reason,
        message=f"{worded(problem)}; its nodes keep their present orders",
        observed_generation=generation,
    )
    conditions = stamped([accepted(generation, problem), enforced], view.domains.get(problem.name), at)
    return PowerDomainStatus(observed_generation=generation, conditions=conditions)
