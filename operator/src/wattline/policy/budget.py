"""Whether a run used up its budget, and what follows at its next turn or step."""

from dataclasses import dataclass
from enum import StrEnum

from wattline.api.agentworkflow import OnExceeded, RunBudget


class Why(StrEnum):
    """What a run used up."""

    WITHIN = "within-budget"
    ENERGY = "energy-budget"
    TIME = "time-budget"


@dataclass(frozen=True, slots=True)
class BudgetDecision:
    """What follows."""

    exceeded: OnExceeded | None
    """What the user wants to happen; None while there is something left."""
    why: Why
    message: str = ""
    """One sentence a person can read."""


def decide(budget: RunBudget, joules: float, seconds: float) -> BudgetDecision:
    """Return what follows from what a run has used so far; energy speaks first."""
    if budget.max_joules is not None and joules >= budget.max_joules:
        message = f"the run has used {joules:,.0f} J of {budget.max_joules:,.0f} J"
        return BudgetDecision(budget.on_exceeded, Why.ENERGY, message)
    if budget.max_duration_seconds is not None and seconds >= budget.max_duration_seconds:
        message = f"the run has lasted {seconds:,.0f} s of {budget.max_duration_seconds:,.0f} s"
        return BudgetDecision(budget.on_exceeded, Why.TIME, message)
    return BudgetDecision(None, Why.WITHIN)
