"""A run goes on where its status stands: whatever crashes where, every step is done and no answer is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.api.agentworkflow import AgentWorkflowSpec
from wattline.api.workflowrun import Phase
from wattline.workflow import machine
from wattline.workflow.errors import StepFailedError, StoppedError
from wattline.workflow.machine import Ask, End, Give, Work
from wattline.workflow.models import Reply, Used
from wattline.workflow.run import INLINE_CHARACTERS, run

AT = "2026-01-01T00:00:00Z"
PLAN = {"type": "object", "properties": {"files": {"type": "array"}}}


def spec(**changes):
    return AgentWorkflowSpec.model_validate(
        {
            "parameters": [{"name": "issue", "value": "17"}],
            "steps": [
                {
                    "name": "plan",
                    "llm": {"model": "m", "prompt": "plan {{ parameters.issue }}", "answer": PLAN},
                },
                {"name": "write", "llm": {"model": "m", "prompt": "write {{ steps.plan.answer.files }}"}},
                {
                    "name": "test",
                    "tool": {
                        "job": {"image": "i", "env": [{"name": "CODE", "value": "{{ steps.write.answer }}"}]}
                    },
                },
            ],
        }
        | changes
    )


def begun(**changes):
    return machine.begun("u-1", 1, spec(**changes), AT)


def done(status, step, answer):
    return machine.answered(machine.tried(status, step), step, answer=answer, answer_ref=None, tokens=10)


def test_steps_are_done_in_their_order_with_the_answers_of_those_before():
    chain, status = spec(), begun()
    assert machine.decide(chain, status, {}) == Ask("plan", chain.steps[0].llm, "plan 17")

    status = done(status, "plan", '{"files": ["a"]}')
    answers = {"plan": {"files": ["a"]}}
    assert machine.decide(chain, status, answers) == Ask("write", chain.steps[1].llm, 'write ["a"]')

    status, answers = done(status, "write", "x = 1"), answers | {"write": "x = 1"}
    assert machine.decide(chain, status, answers) == Work("test", chain.steps[2].tool.job, {"CODE": "x = 1"})
    assert (status.progress, status.tokens) == ("2/3", 20)

    status = done(status, "test", "")
    assert machine.decide(chain, status, answers) == End(Phase.SUCCEEDED, "AllStepsDone", "3 steps")


def test_a_step_that_was_under_way_is_done_again():
    status = machine.tried(begun(), "plan")

    assert isinstance(machine.decide(spec(), status, {}), Ask)
    assert machine.attempts(machine.tried(status, "plan"), "plan") == 2


def test_a_step_that_is_given_up_ends_the_run_and_is_named():
    status = machine.failed(machine.tried(begun(), "plan"), "plan", "400: no", tokens=7)

    assert machine.decide(spec(), status, {}) == End(Phase.FAILED, "StepFailed", "plan: 400: no")
    assert (status.tokens, status.progress) == (7, "0/3")


def test_an_answer_that_is_too_long_for_an_environment_gives_the_tool_up_before_it_starts():
    status = done(done(begun(), "plan", "{}"), "write", "x")

    action = machine.decide(spec(), status, {"plan": {}, "write": "x" * machine.MOST_ENV_BYTES})

    assert action == Give("test", "env CODE is 131072 bytes long; Linux takes 131072")


def test_what_others_say_at_length_is_cut_short():
    status = machine.failed(machine.tried(begun(), "plan"), "plan", "x" * 100_000)

    assert len(status.steps[0].message) == machine.LONGEST_MESSAGE
    assert len(machine.waiting(status, "EngineFailed", "y" * 100_000).message) == machine.LONGEST_MESSAGE


def test_an_answer_without_a_field_that_the_next_step_names_gives_that_step_up():
    status = done(begun(), "plan", "{}")

    action = machine.decide(spec(), status, {"plan": {}})

    assert isinstance(action, Give)
    assert action.step == "write"
    assert "the answer of plan has no files" in action.message


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        pytest.param("Warn", None, id="Warn lets it go on"),
        pytest.param("Slow", None, id="Slow lets it go on"),
        pytest.param("Stop", "BudgetExhausted", id="Stop ends it"),
    ],
)
def test_a_run_that_used_up_its_budget_ends_between_steps_if_that_was_said(said, reason):
    limits = {"budget": {"maxDurationSeconds": 60, "onExceeded": said}}
    status = machine.used(begun(**limits), gateway_joules=None, seconds=61)

    action = machine.decide(spec(**limits), status, {})

    assert (action.reason if isinstance(action, End) else None) == reason


def test_a_run_whose_steps_are_done_has_succeeded_whatever_it_used():
    limits = {"budget": {"maxJoules": 1, "onExceeded": "Stop"}, "steps": spec().model_dump()["steps"][:1]}
    status = done(machine.used(begun(**limits), gateway_joules=5, seconds=1), "plan", "{}")

    assert machine.decide(spec(**limits), status, {"plan": {}}).phase is Phase.SUCCEEDED


def test_joules_add_up_over_gateways_that_started_anew():
    status = begun()
    for said in (100.0, None, 250.0, 40.0, 60.0):
        status = machine.used(status, gateway_joules=said, seconds=1)

    assert (status.joules, status.gateway_joules, status.seconds) == (310, 60, 5)


class CrashError(Exception):
    """The runner's process ends here."""


class Outside:
    """Store, models and tools that outlive the runner, which crashes at calls of their choice."""

    def __init__(self, crashes=(), answer="x", fails=(), stops=False):
        self.crashes = set(crashes)
        self.answer = answer
        self.fails = fails
        self.stops = stops
        self.calls = 0
        self.status = None
        self.saved = []
        self.long = {}
        self.effects = []
        self.finished = 0

    def _call(self):
        self.calls += 1
        if self.calls in self.crashes:
            raise CrashError

    async def load(self):
        self._call()
        return self.status

    async def save(self, status):
        self._call()
        self.status = status
        self.saved.append(status)
        self._call()

    async def keep(self, step, answer):
        self._call()
        if len(answer) > 1_000_000:
            raise StepFailedError("the answer is longer than 900 KiB")
        self.long[f"{step}.answer"] = answer
        self._call()
        return f"{step}.answer"

    async def fetch(self, ref):
        self._call()
        return self.long[ref]

    async def ask(self, llm, prompt, waits):
        self._call()
        if self.stops:
            raise StoppedError("the run has used 9 J of 5 J")
        await waits("WaitingForCapacity", "no memory")
        self.effects.append(prompt)
        self._call()
        return Reply('{"files": ["a"]}' if llm.answer else self.answer, 10)

    async def used(self):
        return Used(float(len(self.effects)), settled=True)

    async def finish(self):
        self.finished += 1
        self._call()

    async def work(self, work, waits):
        self._call()
        if work.step in self.fails:
            raise StepFailedError("exit status 1")
        self.effects.append(dict(work.env))
        self._call()
        return "green"


class Still:
    """A clock that stands."""

    def now(self):
        return 0.0

    async def sleep_until(self, at_seconds, *, or_set=None):
        raise AssertionError(at_seconds, or_set)


async def to_the_end(outside, chain=None, lives=1):
    for _ in range(lives):
        try:
            return await run(
                chain or spec(),
                outside,
                outside,
                outside,
                Still(),
                run_id="u-1",
                generation=1,
                stamp=lambda: AT,
            )
        except CrashError:
            continue
    raise AssertionError("crashed more often than it was told to")


@pytest.mark.parametrize(
    "length", [pytest.param(1, id="short"), pytest.param(INLINE_CHARACTERS + 1, id="long")]
)
@given(crashes=st.sets(st.integers(1, 40), max_size=12))
async def test_whatever_crashes_where_every_step_is_done_and_no_answer_is_lost(length, crashes):
    outside = Outside(crashes, answer="y" * length)

    ended = await to_the_end(outside, lives=len(crashes) + 1)

    assert ended.phase is Phase.SUCCEEDED
    assert ended == outside.status
    wanted = ["plan 17", 'write ["a"]', {"CODE": "y" * length}]
    first = [effect for index, effect in enumerate(outside.effects) if effect not in outside.effects[:index]]
    assert first == wanted, "each step at least once, in their order, with the answers of those before"
    done = [sum(step.phase is Phase.SUCCEEDED for step in each.steps) for each in outside.saved]
    assert done == sorted(done), "what is done stays done"
    for step, begun_steps in zip(ended.steps, wanted, strict=True):
        assert step.attempts >= outside.effects.count(begun_steps)
        assert (step.answer is None) == (step.answer_ref is not None)


async def test_without_a_crash_each_step_is_done_once():
    outside = Outside()

    ended = await to_the_end(outside)

    assert [step.attempts for step in ended.steps] == [1, 1, 1]
    assert (ended.progress, ended.tokens, ended.joules) == ("3/3", 20, 3.0)
    assert (ended.started_at, ended.finished_at) == (AT, AT)
    assert outside.finished == 1
    reasons = [status.reason for status in outside.saved]
    assert "WaitingForCapacity" in reasons
    assert reasons[-1] == "AllStepsDone"


async def test_a_run_that_has_ended_is_not_run_again():
    outside = Outside()
    ended = await to_the_end(outside)
    effects = list(outside.effects)

    assert await to_the_end(outside) == ended
    assert outside.effects == effects


async def test_a_tool_that_fails_ends_the_run():
    ended = await to_the_end(Outside(fails=("test",)))

    assert (ended.phase, ended.reason, ended.progress) == (Phase.FAILED, "StepFailed", "2/3")
    assert ended.message == "test: exit status 1"


async def test_an_answer_that_nothing_can_hold_gives_its_step_up_with_what_it_used():
    ended = await to_the_end(Outside(answer="x" * 1_000_001))

    assert (ended.reason, ended.message) == ("StepFailed", "write: the answer is longer than 900 KiB")
    assert (ended.progress, ended.tokens) == ("1/3", 20)


async def test_a_run_that_the_gateway_stops_has_exhausted_its_budget():
    ended = await to_the_end(Outside(stops=True))

    assert (ended.phase, ended.reason) == (Phase.FAILED, "BudgetExhausted")
    assert ended.message == "the run has used 9 J of 5 J"


async def test_a_run_that_waits_ends_when_its_budget_does():
    outside = Outside()
    outside.effects = ["earlier"] * 9
    ended = await to_the_end(outside, spec(budget={"maxJoules": 5, "onExceeded": "Stop"}))

    assert ended.reason == "BudgetExhausted"
