"""What cannot be, named before anything runs: questions that have no answer, and budgets that nothing can keep."""

from collections.abc import Iterator, Sequence
from math import fsum, isfinite

from wattline.api.powerdomain import PowerDomain
from wattline.model.fleet import Fleet
from wattline.sim.changes import BudgetChange
from wattline.sim.node import Node
from wattline.sim.scenario import Scenario, ScenarioError
from wattline.sim.watts import Budgets
from wattline.world.gpu import PRODUCTS


def question(scenario: Scenario) -> None:
    """Raise `ScenarioError` where a number or a name of the scenario cannot be."""
    if scenario.product not in PRODUCTS:
        raise ScenarioError(f"no GPU product {scenario.product}; there is: {', '.join(PRODUCTS)}")
    if scenario.gpus_per_node < 1:
        raise ScenarioError(f"{scenario.gpus_per_node} GPUs of a node: expected 1 or more")
    for name, value, least in (
        ("hours", scenario.hours, 0.0),
        ("steer_seconds", scenario.steer_seconds, 0.0),
        ("series_seconds", 1.0 if scenario.series_seconds is None else scenario.series_seconds, 0.0),
    ):
        if not (isfinite(value) and value > least):
            raise ScenarioError(f"{name} {value:g}: expected more than 0")
    if not 0 <= scenario.warm_up_hours < scenario.hours:
        raise ScenarioError(
            f"warm_up_hours {scenario.warm_up_hours:g}: expected less than the {scenario.hours:g} hours of arrivals"
        )


def budgets(scenario: Scenario, fleet: Fleet, of: Budgets, nodes: Sequence[Node]) -> tuple[str, ...]:
    """Return what is to be said of budgets that no limit can keep; raise where one leaves nothing at all.

    Only where a cap is asked for: else nobody tries to keep them, and the seconds above them are counted.
    """
    if scenario.cap == "none":
        return ()
    return tuple(_said(scenario, fleet, of, nodes))


def _said(scenario: Scenario, fleet: Fleet, of: Budgets, nodes: Sequence[Node]) -> Iterator[str]:
    for domain in fleet.domains:
        name = domain.metadata.name
        below = [node for node in nodes if domain in fleet.domains_of(node.name)]
        if not below:
            continue
        least = fsum(node.least_watts for node in below)
        changed = [
            (each.at_seconds, each.watts)
            for each in scenario.changes
            if isinstance(each, BudgetChange) and each.domain == name
        ]
        taken = domain.spec.budget.watts - of.gpu_watts(domain)
        for at_seconds, watts in ((0.0, domain.spec.budget.watts), *changed):
            left = watts - taken
            when = f" from {at_seconds:g} s on" if at_seconds else ""
            if left <= 0:
                raise ScenarioError(
                    f"PowerDomain {name}{when}: {watts:g} W leave nothing for GPUs, {_beside(domain, len(below))}; "
                    "raise budget.watts, or take nodes away"
                )
            if least > left:
                yield (
                    f"{name}{when}: its GPUs cannot be limited below {least:.0f} W together, and {left:.0f} W are "
                    "left for them; the budget cannot be kept, and the seconds above it are counted"
                )


def _beside(domain: PowerDomain, nodes: int) -> str:
    budget = domain.spec.budget
    return f"{budget.reserved_watts:g} W are reserved and {nodes} nodes take {budget.node_overhead_watts:g} W each"
