"""Whether a domain's promise holds, and if not, why and by how much."""

import math
from dataclasses import dataclass, replace

from wattline.api.base import Condition, ConditionStatus
from wattline.api.powerdomain import PowerDomain
from wattline.controller.facts import (
    appeared,
    blocked,
    contested,
    floor_watts,
    may_draw_watts,
    rebooted,
    reports_watts,
)
from wattline.controller.tree import Tree
from wattline.model.cluster import NodeView
from wattline.model.references import Problem


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a domain may draw against its budget."""

    domain: PowerDomain
    may_draw_watts: float
    """Infinite while a node's devices are not known."""
    holds: bool
    reason: str
    message: str

    @property
    def excess_watts(self) -> float:
        """Watts above the budget; infinite while they are not known."""
        return max(0.0, self.may_draw_watts - self.domain.spec.budget.watts)


def judge(tree: Tree, domain: PowerDomain, nodes: dict[str, NodeView]) -> Verdict:
    """Return whether what an enforced domain's nodes may draw fits its budget."""
    members = [nodes.get(name, NodeView(name)) for name in tree.members[domain.metadata.name]]
    beside = tree.beside_watts[domain.metadata.name]
    may = math.fsum(may_draw_watts(node) for node in members) + beside
    budget = domain.spec.budget.watts
    if may <= budget + 1e-6:
        return Verdict(
            domain, may, holds=True, reason="WithinBudget", message=f"at most {may:.0f} W of {budget:.0f} W"
        )
    reason, cause = _cause(members, beside, budget)
    excess = (
        f"{may - budget:.0f} W above the budget of {budget:.0f} W"
        if math.isfinite(may)
        else "cannot be judged"
    )
    return Verdict(
        domain, may, holds=False, reason=reason, message=f"{excess}: {cause}; nothing is raised meanwhile"
    )


def observe(tree: Tree, domain: PowerDomain, nodes: dict[str, NodeView]) -> Verdict:
    """Return what a domain that only observes may draw under the limits found."""
    members = [nodes.get(name, NodeView(name)) for name in tree.members[domain.metadata.name]]
    may = tree.beside_watts[domain.metadata.name] + math.fsum(
        may_draw_watts(node) if node.spec is not None and node.spec.enforce else reports_watts(node)
        for node in members
    )
    budget = domain.spec.budget.watts
    fits = (
        f"could draw {may:.0f} W of {budget:.0f} W"
        if math.isfinite(may)
        else "some devices are not known yet"
    )
    return Verdict(domain, may, holds=False, reason="Observing", message=f"{fits}; nothing is touched")


def disputed(verdict: Verdict, problem: Problem) -> Verdict:
    """Return the verdict on a domain of which it cannot be said what hangs on it: it does not hold."""
    return replace(verdict, holds=False, reason=problem.reason, message=problem.message)


def _cause(members: list[NodeView], beside: float, budget: float) -> tuple[str, str]:
    unknown = [node.name for node in members if node.status is None or not node.status.gpus]
    if unknown:
        return "WaitingForAgents", f"no agent has named the GPUs of {_few(unknown)}"
    floors = math.fsum(floor_watts(node.status.gpus) for node in members if node.status is not None) + beside
    if floors > budget:
        return (
            "FloorsExceedBudget",
            f"the devices' least limits, overheads and reserved watts are {floors:.0f} W",
        )
    for reason, found in (
        ("EnforceStarting", [n.name for n in members if n.spec is None or not n.spec.enforce]),
        ("NodeRestarted", [n.name for n in members if rebooted(n)]),
        ("GpuAppeared", [uuid for n in members for uuid in appeared(n)]),
        ("GpuContested", [uuid for n in members for uuid in contested(n)]),
        ("GpuBlocked", [uuid for n in members for uuid in blocked(n)]),
        ("AgentAway", [n.name for n in members if n.readings is None]),
    ):
        if found:
            return reason, _few(found)
    return "LoweringToBudget", "waiting for the agents to read their lower limits back"


def condition(verdict: Verdict) -> Condition:
    """Return the condition ``Enforced``; it is False for a domain that only observes."""
    return Condition(
        type="Enforced",
        status=ConditionStatus.TRUE if verdict.holds else ConditionStatus.FALSE,
        reason=verdict.reason,
        message=verdict.message,
        observed_generation=verdict.domain.metadata.generation,
    )


def _few(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
