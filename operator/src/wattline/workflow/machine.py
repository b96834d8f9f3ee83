"""A run as a machine: from what is done to what is next. Pure; a run that starts anew goes on where its status stands.

The status that is saved is all that a run knows. Each effect (asking a model, running a tool) begins after a save
that says so and ends with one that holds its answer, so a crash repeats at most the step it interrupted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wattline.api.agentworkflow import AgentWorkflowSpec, Llm, OnExceeded, Step, ToolJob
from wattline.api.workflowrun import Phase, RunStatus, StepStatus
from wattline.model.template import TemplateError, Values, render
from wattline.policy import budget

OVER = (Phase.SUCCEEDED, Phase.FAILED)
RUNNING = "RunningStep"
"""Reason of a run whose step is under way."""

MOST_ENV_BYTES = 128 * 1024
"""Of one environment variable, with its name (MAX_ARG_STRLEN of Linux)."""

LONGEST_MESSAGE = 1000
"""Characters; what engines and validators say may hold a whole answer."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a model."""

    step: str
    llm: Llm
    prompt: str


@dataclass(frozen=True, slots=True)
class Work:
    """Run a tool."""

    step: str
    job: ToolJob
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Give:
    """Give a step up: nothing was done for it."""

    step: str
    message: str


@dataclass(frozen=True, slots=True)
class End:
    """Nothing is left to do."""

    phase: Phase
    reason: str
    message: str


Action = Ask | Work | Give | End


def begun(run_id: str, generation: int, spec: AgentWorkflowSpec, at: str) -> RunStatus:
    """Return a run of which nothing is done."""
    steps = tuple(StepStatus(name=step.name) for step in spec.steps)
    return RunStatus(
        id=run_id,
        generation=generation,
        phase=Phase.RUNNING,
        reason="Started",
        progress=f"0/{len(steps)}",
        started_at=at,
        steps=steps,
    )


def decide(spec: AgentWorkflowSpec, run: RunStatus, answers: Mapping[str, Any]) -> Action:
    """Return what is next; ``answers`` are those of the steps that are done."""
    failed = next((step for step in run.steps if step.phase is Phase.FAILED), None)
    if failed is not None:
        return End(Phase.FAILED, "StepFailed", f"{failed.name}: {failed.message}")
    step = next((s for s, seen in zip(spec.steps, run.steps, strict=True) if seen.phase not in OVER), None)
    if step is None:
        return End(Phase.SUCCEEDED, "AllStepsDone", f"{len(run.steps)} steps")
    left = over_budget(spec, run)
    if left is not None:
        return left
    values = Values({each.name: each.value for each in spec.parameters}, answers)
    try:
        return _action(step, values)
    except TemplateError as error:
        return Give(step.name, str(error))


def over_budget(spec: AgentWorkflowSpec, run: RunStatus) -> End | None:
    """Return the end of a run that used up what it may, where its workflow stops such runs."""
    decision = budget.decide(spec.budget, run.joules, run.seconds)
    if decision.exceeded is not OnExceeded.STOP:
        return None
    return End(Phase.FAILED, "BudgetExhausted", decision.message)


def tried(run: RunStatus, step: str) -> RunStatus:
    """Return the run with one more attempt at a step."""
    seen = _seen(run, step)
    changed = seen.model_copy(update={"phase": Phase.RUNNING, "attempts": seen.attempts + 1, "message": ""})
    return _with(run, changed, reason=RUNNING, message=step)


def waiting(run: RunStatus, reason: str, message: str) -> RunStatus:
    """Return the run with what it waits for."""
    return run.model_copy(update={"reason": reason, "message": _short(message)})


def answered(
    run: RunStatus, step: str, *, answer: str | None, answer_ref: str | None, tokens: int, message: str = ""
) -> RunStatus:
    """Return the run with a step done."""
    changed = _seen(run, step).model_copy(
        update={
            "phase": Phase.SUCCEEDED,
            "answer": answer,
            "answer_ref": answer_ref,
            "tokens": tokens,
            "message": message,
        }
    )
    return _with(run, changed, reason=RUNNING, message=step)


def failed(run: RunStatus, step: str, message: str, *, tokens: int = 0) -> RunStatus:
    """Return the run with a step that will not be tried again."""
    changed = _seen(run, step).model_copy(
        update={"phase": Phase.FAILED, "message": _short(message), "tokens": tokens}
    )
    return _with(run, changed, reason="StepFailed", message=f"{step}: {_short(message)}")


def ended(run: RunStatus, end: End, at: str) -> RunStatus:
    """Return the run at its end."""
    return run.model_copy(
        update={"phase": end.phase, "reason": end.reason, "message": end.message, "finished_at": at}
    )


def used(run: RunStatus, *, gateway_joules: float | None, seconds: float) -> RunStatus:
    """Return the run with what it has used; a gateway that says less than before has started to count anew."""
    lasted = {"seconds": round(run.seconds + seconds, 3)}
    if gateway_joules is None:
        return run.model_copy(update=lasted)
    more = gateway_joules - run.gateway_joules
    joules = run.joules + (gateway_joules if more < 0 else more)
    return run.model_copy(
        update=lasted | {"joules": round(joules, 3), "gateway_joules": round(gateway_joules, 3)}
    )


def attempts(run: RunStatus, step: str) -> int:
    """Return how often a step was begun."""
    return _seen(run, step).attempts


def _short(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"


def _action(step: Step, values: Values) -> Action:
    if step.llm is not None:
        return Ask(step.name, step.llm, render(step.llm.prompt, values))
    assert step.tool is not None
    job = step.tool.job
    env = {each.name: render(each.value, values) for each in job.env}
    for name, value in env.items():
        if len(name) + len(value.encode()) + 2 > MOST_ENV_BYTES:
            raise TemplateError(
                f"env {name} is {len(value.encode())} bytes long; Linux takes {MOST_ENV_BYTES}"
            )
    return Work(step.name, job, env)


def _seen(run: RunStatus, step: str) -> StepStatus:
    return next(each for each in run.steps if each.name == step)


def _with(run: RunStatus, changed: StepStatus, *, reason: str, message: str) -> RunStatus:
    steps = tuple(changed if each.name == changed.name else each for each in run.steps)
    done = sum(1 for each in steps if each.phase is Phase.SUCCEEDED)
    return run.model_copy(
        update={
            "steps": steps,
            "progress": f"{done}/{len(steps)}",
            "tokens": sum(each.tokens for each in steps),
            "reason": reason,
            "message": message,
        }
    )
