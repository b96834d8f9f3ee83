"""The loop of one run: see what is done, decide what is next, do it, save; until nothing is left."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from wattline.api.agentworkflow import AgentWorkflowSpec, Llm, Step
from wattline.api.workflowrun import Phase, RunStatus
from wattline.doors.clock import Clock
from wattline.model.workflows import schema
from wattline.workflow import machine
from wattline.workflow.errors import StepFailedError, StoppedError
from wattline.workflow.models import Reply, Used, Waits

log = logging.getLogger("wattline.workflow")

SETTLE_SECONDS = 30.0
"""How long the end of a run waits until all its joules are divided; ours: a few readings of the counters."""

SETTLE_LOOK_SECONDS = 1.0

SAID_SECONDS = 60.0
"""How often a run that waits says how long it has lasted; ours."""

INLINE_CHARACTERS = 8192
"""An answer up to this length stands in the status, a longer one beside it: 32 of them, in four bytes a character, still
leave room in an object of the API (1.5 MiB), and `kubectl get -o yaml` stays readable. Ours."""


class Store(Protocol):
    """Where a run keeps what it knows."""

    async def load(self) -> RunStatus | None:
        """Return the status as it was last saved, None where this run has not begun."""

    async def save(self, run: RunStatus) -> None:
        """Keep a status; when this returns it outlives us."""

    async def keep(self, step: str, answer: str) -> str:
        """Keep a long answer, and return where."""

    async def fetch(self, ref: str) -> str:
        """Return a long answer."""


class Models(Protocol):
    """What is asked."""

    async def ask(self, llm: Llm, prompt: str, waits: Waits) -> Reply:
        """Return the model's answer, or raise `StepFailedError` or `StoppedError`."""

    async def used(self) -> Used | None:
        """Return what the run has used, or None where nobody says."""

    async def finish(self) -> None:
        """Say that the run is over."""


class Tools(Protocol):
    """What is run."""

    async def work(self, work: machine.Work, waits: Waits) -> str:
        """Return what the tool answered, or raise `StepFailedError`; one that was begun before is gone on with."""


class _OverError(Exception):
    """The run ended while it waited."""

    def __init__(self, end: machine.End) -> None:
        super().__init__(end.message)
        self.end = end


@dataclass(slots=True)
class _Run:
    """A run under way."""

    spec: AgentWorkflowSpec
    store: Store
    models: Models
    clock: Clock
    status: RunStatus
    since_seconds: float
    """Until when its duration is counted."""
    saved_seconds: float = float("-inf")

    async def save(self) -> None:
        """Keep the status."""
        await self.store.save(self.status)
        self.saved_seconds = self.clock.now()

    async def count(self) -> None:
        """Take what was used since the last look."""
        said, now = await self.models.used(), self.clock.now()
        joules = None if said is None else said.joules
        self.status = machine.used(self.status, gateway_joules=joules, seconds=now - self.since_seconds)
        self.since_seconds = now

    async def waits(self, reason: str, message: str) -> None:
        """Say what the run waits for; raise `_OverError` when its time or energy is over, unless it waits no more."""
        before = self.status.reason
        await self.count()
        left = machine.over_budget(self.spec, self.status)
        if left is not None and reason != machine.RUNNING:
            raise _OverError(left)
        self.status = machine.waiting(self.status, reason, message)
        if reason != before:
            log.info("%s: %s", reason, message)
        if reason != before or self.clock.now() - self.saved_seconds >= SAID_SECONDS:
            await self.save()


async def run(
    spec: AgentWorkflowSpec,
    store: Store,
    models: Models,
    tools: Tools,
    clock: Clock,
    *,
    run_id: str,
    generation: int,
    stamp: Callable[[], str],
) -> RunStatus:
    """Bring a run to its end, from wherever it stands, and return how it ended."""
    status = await store.load() or machine.begun(run_id, generation, spec, stamp())
    under = _Run(spec, store, models, clock, status, clock.now())
    answers = await _answers(spec, store, status)
    while under.status.phase not in machine.OVER:
        action = machine.decide(spec, under.status, answers)
        match action:
            case machine.End():
                await _end(under, action, stamp)
            case machine.Give(step=step, message=message):
                under.status = machine.failed(under.status, step, message)
            case machine.Ask() | machine.Work():
                try:
                    answers[action.step] = await _do(under, tools, action)
                except _OverError as over:
                    await _end(under, over.end, stamp)
    return under.status


async def _do(under: _Run, tools: Tools, action: machine.Ask | machine.Work) -> Any:
    """Do a step and save its answer; return it, None where there is none."""
    step = next(each for each in under.spec.steps if each.name == action.step)
    under.status = machine.tried(under.status, step.name)
    await under.save()
    log.info("step %s, attempt %d", step.name, machine.attempts(under.status, step.name))
    reply, ref = Reply("", 0), None
    try:
        reply = (
            await under.models.ask(action.llm, action.prompt, under.waits)
            if isinstance(action, machine.Ask)
            else Reply(await tools.work(action, under.waits), 0)
        )
        if len(reply.text) > INLINE_CHARACTERS:
            ref = await under.store.keep(step.name, reply.text)
    except StepFailedError as error:
        under.status = machine.failed(
            under.status, step.name, str(error), tokens=error.tokens or reply.tokens
        )
        return None
    except StoppedError as error:
        raise _OverError(machine.End(Phase.FAILED, "BudgetExhausted", str(error))) from error
    await under.count()
    under.status = machine.answered(
        under.status,
        step.name,
        answer=reply.text if ref is None else None,
        answer_ref=ref,
        tokens=reply.tokens,
        message=reply.note,
    )
    await under.save()
    return _value(step, reply.text)


async def _end(under: _Run, end: machine.End, stamp: Callable[[], str]) -> None:
    """Tell the gateway, wait for the last joules, and save how it ended."""
    await under.models.finish()
    until = under.clock.now() + SETTLE_SECONDS
    while (said := await under.models.used()) is not None and not said.settled and under.clock.now() < until:
        await under.clock.sleep_until(under.clock.now() + SETTLE_LOOK_SECONDS)
    await under.count()
    under.status = machine.ended(under.status, end, stamp())
    await under.save()
    log.info("%s, %s: %s", end.phase, end.reason, end.message)


async def _answers(spec: AgentWorkflowSpec, store: Store, status: RunStatus) -> dict[str, Any]:
    """Return the answers of the steps that are done."""
    found: dict[str, Any] = {}
    for step, seen in zip(spec.steps, status.steps, strict=True):
        if seen.phase is Phase.SUCCEEDED:
            text = seen.answer if seen.answer_ref is None else await store.fetch(seen.answer_ref)
            found[step.name] = _value(step, text or "")
    return found


def _value(step: Step, text: str) -> Any:
    return text if schema(step) is None else json.loads(text)
