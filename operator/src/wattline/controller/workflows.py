"""Workflows in a cluster: which run is to begin or to go on, and what the statuses say beside what a runner writes.

One run an object, or one a generation where the spec asks for it, each after the other. A run is known by what its
runner wrote, or by its Job while it has written nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wattline.api.agentworkflow import AgentWorkflow, AgentWorkflowStatus, Rerun, Trigger
from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.workflowrun import Phase, RunStatus
from wattline.controller.conditions import accepted, stamped
from wattline.controller.domains import problems_of
from wattline.controller.runner import start
from wattline.model.actions import Action
from wattline.model.cluster import ClusterView, JobSeen
from wattline.model.fleet import full_name
from wattline.model.references import Problem, steps
from wattline.model.runnames import generation_of, run_id
from wattline.policy import budget

KIND = "AgentWorkflow"
OVER = (Phase.SUCCEEDED, Phase.FAILED)
FOR_REPLICAS = ("WaitingForReplicas", "WaitingForCapacity")
"""Reasons of a run that its pool may know more about."""

POWER = "WaitingForPower"


@dataclass(frozen=True, slots=True)
class Seen:
    """The last run of a workflow, as far as it is seen."""

    generation: int
    run: RunStatus | None
    """What its runner wrote; None while it wrote nothing."""
    job: JobSeen | None

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        if self.run is not None and self.run.phase in OVER:
            return True
        return self.job is not None and self.job.failed


def workflow_actions(view: ClusterView) -> Iterator[Action]:
    """Yield what makes runs begin, or go on whose Job is gone."""
    for workflow in view.fleet.workflows:
        runs = workflow.spec.trigger is Trigger.ON_APPLY and _problem(workflow) is None
        if not runs or not view.image:
            continue
        seen = last(workflow, view)
        if seen is None:
            yield from start(workflow, workflow.metadata.generation, view)
        elif seen.over:
            newer = workflow.metadata.generation > seen.generation
            if newer and workflow.spec.rerun is Rerun.ON_CHANGE:
                yield from start(workflow, workflow.metadata.generation, view)
        elif seen.job is None:
            yield from start(workflow, seen.generation, view)


def workflow_statuses(
    view: ClusterView, pools: Mapping[str, InferencePoolStatus], at: str
) -> dict[str, AgentWorkflowStatus]:
    """Return the part of every workflow's status that is ours; ``pools`` are the statuses of this pass."""
    statuses = {
        name: _refused(problem, _generation(view, name), None, at)
        for name, problem in problems_of(view, KIND).items()
    }
    for workflow in view.fleet.workflows:
        problem, seen = _problem(workflow), last(workflow, view)
        name, generation = full_name(workflow), workflow.metadata.generation
        if workflow.spec.trigger is Trigger.EXTERNAL:
            conditions = stamped([accepted(generation)], workflow.status, at)
            statuses[name] = AgentWorkflowStatus(
                observed_generation=generation, reason="AgentsElsewhere", conditions=conditions
            )
        elif problem is not None and seen is None:
            statuses[name] = _refused(problem, generation, workflow.status, at)
        else:
            statuses[name] = _of_run(workflow, problem, seen, view, pools, at)
    return statuses


def last(workflow: AgentWorkflow, view: ClusterView) -> Seen | None:
    """Return the last run that was begun, None where none was."""
    uid, run = workflow.metadata.uid, None if workflow.status is None else workflow.status.run
    if run is not None and run.id != run_id(uid, run.generation):
        run = None  # written by the runner of an earlier object of this name
    jobs = {generation_of(job.run): job for job in view.jobs.values() if job.owner == uid}
    known = [*jobs, *([run.generation] if run is not None else [])]
    if not known:
        return None
    newest = max(known)
    wrote = run if run is not None and run.generation == newest else None
    return Seen(newest, wrote, jobs.get(newest))


def _of_run(
    workflow: AgentWorkflow,
    problem: Problem | None,
    seen: Seen | None,
    view: ClusterView,
    pools: Mapping[str, InferencePoolStatus],
    at: str,
) -> AgentWorkflowStatus:
    generation = workflow.metadata.generation
    phase, reason, message = _state(workflow, seen, view, pools)
    done = phase is Phase.SUCCEEDED
    conditions = [
        accepted(generation, problem),
        Condition(
            type="Complete",
            status=ConditionStatus.TRUE if done else ConditionStatus.FALSE,
            reason=reason,
            message=message,
            observed_generation=generation,
        ),
        *_within_budget(workflow, seen),
    ]
    return AgentWorkflowStatus(
        observed_generation=generation,
        phase=phase,
        reason=reason,
        conditions=stamped(conditions, workflow.status, at),
    )


def _state(
    workflow: AgentWorkflow, seen: Seen | None, view: ClusterView, pools: Mapping[str, InferencePoolStatus]
) -> tuple[Phase, str, str]:
    """Return phase, reason and message of the last run."""
    if seen is None and not view.image:
        return Phase.PENDING, "NoImage", "the operator knows no image for runners; give it one with --image"
    if seen is None:
        return Phase.PENDING, "Starting", "the runner's Job is made"
    if seen.run is None or (seen.run.phase not in OVER and seen.job is not None and seen.job.failed):
        if seen.job is not None and seen.job.failed:
            return Phase.FAILED, "RunnerFailed", f"Job {seen.job.name}: {seen.job.message}"
        return Phase.PENDING, "Starting", "the runner's pod has not begun yet"
    run = seen.run
    if run.reason in FOR_REPLICAS and (why := _no_power(workflow, run, view, pools)):
        return run.phase, POWER, why
    return run.phase, run.reason, run.message


def _no_power(
    workflow: AgentWorkflow, run: RunStatus, view: ClusterView, pools: Mapping[str, InferencePoolStatus]
) -> str:
    """Return what the pool says that serves the step under way, if it waits for watts; else nothing."""
    running = next((step.name for step in run.steps if step.phase is Phase.RUNNING), None)
    step = next((step for step in workflow.spec.steps if step.name == running), None)
    if step is None or step.llm is None:
        return ""
    for pool in view.fleet.pools:
        name = full_name(pool)
        if step.llm.model not in {pool.spec.model, name} or name not in pools:
            continue
        for condition in pools[name].conditions:
            if condition.type == "Ready" and condition.reason == POWER:
                return f"pool {name}: {condition.message}"
    return ""


def _within_budget(workflow: AgentWorkflow, seen: Seen | None) -> Iterator[Condition]:
    """Yield whether the run keeps to its budget, where there is one and a run."""
    limits = workflow.spec.budget
    if (
        seen is None
        or seen.run is None
        or (limits.max_joules is None and limits.max_duration_seconds is None)
    ):
        return
    decision = budget.decide(limits, seen.run.joules, seen.run.seconds)
    kept = decision.exceeded is None
    yield Condition(
        type="WithinBudget",
        status=ConditionStatus.TRUE if kept else ConditionStatus.FALSE,
        reason="WithinBudget" if kept else "BudgetExhausted",
        message=decision.message or "the run has used less than its budget",
        observed_generation=workflow.metadata.generation,
    )


def _refused(
    problem: Problem, generation: int, before: AgentWorkflowStatus | None, at: str
) -> AgentWorkflowStatus:
    return AgentWorkflowStatus(
        observed_generation=generation,
        reason=problem.reason,
        conditions=stamped([accepted(generation, problem)], before, at),
    )


def _problem(workflow: AgentWorkflow) -> Problem | None:
    return next(steps(workflow), None)


def _generation(view: ClusterView, name: str) -> int:
    return next((each.generation for each in view.broken if (each.kind, each.name) == (KIND, name)), 0)
