"""Which workflow a run belongs to, what its turns may expect, and what it used of its budget."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from wattline.api.agentworkflow import AgentWorkflow, OnExceeded, RunBudget
from wattline.gateway.refusal import Reason, Refused
from wattline.gateway.runs import Run
from wattline.model.fleet import full_name
from wattline.policy import budget
from wattline.policy.order import OrderSeen, behind_seconds

log = logging.getLogger(__name__)

HEADER = "x-wattline-workflow"
"""Names the workflow of a call: ``NAMESPACE/NAME``, or ``NAME`` where it has no namespace."""

STOPPED_TYPES = {budget.Why.ENERGY: "energy_budget", budget.Why.TIME: "time_budget"}
"""What a client that is stopped can match."""


@dataclass(slots=True)
class Bound:
    """A run that named a workflow."""

    name: str
    declared: AgentWorkflow
    """As it was last declared; a workflow that is gone still holds for the runs it has."""
    since_seconds: float
    joules_before: float
    """What an earlier run of the same name had used."""
    told: set[OnExceeded] = field(default_factory=set)

    def decide(self, run: Run, now: float) -> budget.BudgetDecision:
        """Return what follows from what the run has used."""
        used = max(0.0, run.joules - self.joules_before)
        return budget.decide(self.declared.spec.budget, used, now - self.since_seconds)


class Workflows:
    """The workflows of the fleet, and the runs that named one."""

    def __init__(self, tell: Callable[[str, str, str], None]) -> None:
        self._tell = tell
        self.exceeded: Counter[tuple[str, str]] = Counter()
        """Workflow and what happened to a run that used up its budget, each once a run."""
        self._declared: dict[str, AgentWorkflow] = {}
        self._bound: dict[str, Bound] = {}
        """By run."""

    def declare(self, workflows: Iterable[AgentWorkflow]) -> None:
        """Take the workflows as they are now; runs under way go on under the new words."""
        self._declared = {full_name(workflow): workflow for workflow in workflows}
        for bound in self._bound.values():
            bound.declared = self._declared.get(bound.name, bound.declared)

    def meet(self, run: str, named: str | None) -> str | None:
        """Return the workflow a run belongs to; the first it names stands. Raise `Refused` where there is no such."""
        known = self._bound.get(run)
        if known is not None:
            return known.name
        if not named:
            return None
        if named not in self._declared:
            some = ", ".join(sorted(self._declared)[:10]) or "none"
            raise Refused(
                404,
                Reason.NO_SUCH_WORKFLOW,
                f"the workflow {named} does not exist; workflows here: {some}",
                code="workflow_not_found",
                param=HEADER,
            )
        return named

    def bind(self, run: Run, name: str, now: float) -> None:
        """Note that a run belongs to a workflow, and begin to count what it uses."""
        if run.id not in self._bound:
            self._bound[run.id] = Bound(name, self._declared[name], now, run.joules)
        run.workflow = name

    def over(self, run: str) -> None:
        """Note that a run is over; one of the same name begins anew."""
        self._bound.pop(run, None)

    def behind_seconds(self, run: Run, now: float) -> float:
        """Return how much later than they do the turns of a run seem to come."""
        bound = self._bound.get(run.id)
        if bound is None:
            return behind_seconds(OrderSeen())
        spec = bound.declared.spec
        slowed = bound.decide(run, now).exceeded is OnExceeded.SLOW
        return behind_seconds(OrderSeen(spec.power_class, spec.weight, slowed))

    def start_within_seconds(self, run: str) -> float | None:
        """Return how long the first turn of an agent may be held, where its workflow says it."""
        bound = self._bound.get(run)
        return None if bound is None else bound.declared.spec.objective.start_within_seconds

    def check(self, run: Run, now: float) -> None:
        """Say once that a run used up its budget; raise `Refused` if it is to be stopped."""
        bound = self._bound.get(run.id)
        if bound is None:
            return
        decision = bound.decide(run, now)
        if decision.exceeded is None:
            return
        if decision.exceeded not in bound.told:
            bound.told.add(decision.exceeded)
            self.exceeded[bound.name, decision.exceeded] += 1
            self._tell(bound.name, f"{decision.exceeded} for run {run.id}", decision.message)
            log.warning("%s: %s: %s (workflow %s)", run.id, decision.exceeded, decision.message, bound.name)
        if decision.exceeded is OnExceeded.STOP:
            raise Refused(
                429,
                Reason.BUDGET,
                f"{decision.message}; workflow {bound.name} stops its runs there",
                code=str(Reason.BUDGET),
                type=STOPPED_TYPES[decision.why],
                headers={"x-should-retry": "false"},
            )

    def runs(self) -> Counter[str]:
        """Return how many runs of each workflow are under way, zeros included."""
        counted = Counter(dict.fromkeys(self._declared, 0))
        counted.update(bound.name for bound in self._bound.values())
        return counted

    def budgets(self) -> Mapping[str, RunBudget]:
        """Return the most that one run of each workflow may use."""
        return {name: workflow.spec.budget for name, workflow in self._declared.items()}

    def tenant(self, name: str) -> str:
        """Return whose workflow it is; empty where nobody said."""
        workflow = self._declared.get(name)
        return "" if workflow is None else workflow.spec.tenant
