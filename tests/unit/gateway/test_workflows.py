"""Runs that name a workflow get its class and weight, and no more than its budget."""

import pytest

from wattline.api.agentworkflow import AgentWorkflow, OnExceeded
from wattline.gateway.refusal import Refused
from wattline.gateway.runs import Run
from wattline.gateway.workflows import Workflows

NAME = "agents/fix-issue"


def workflow(name="fix-issue", **spec):
    return AgentWorkflow.model_validate(
        {
            "kind": "AgentWorkflow",
            "metadata": {"name": name, "namespace": "agents"},
            "spec": {"trigger": "External"} | spec,
        }
    )


def bound(run, now=0.0, tell=lambda *said: None, **spec):
    made = Workflows(tell)
    made.declare([workflow(**spec)])
    made.bind(run, made.meet(run.id, NAME), now)
    return made


def test_a_run_belongs_to_the_workflow_it_names_first_and_its_sub_agents_need_not_name_it():
    made = bound(Run("r"))
    made.declare([workflow(), workflow("other")])

    assert made.meet("r", None) == NAME
    assert made.meet("r", "agents/other") == NAME
    assert made.meet("s", None) is None


def test_a_workflow_that_does_not_exist_is_refused_and_those_that_do_are_named():
    made = bound(Run("r"))

    with pytest.raises(Refused) as caught:
        made.meet("s", "agents/fix-isue")

    assert (caught.value.status, caught.value.code) == (404, "workflow_not_found")
    assert NAME in caught.value.message


def test_a_run_goes_on_under_the_last_words_of_a_workflow_that_is_gone():
    run = Run("r", joules=10)
    made = bound(run, budget={"maxJoules": 100, "onExceeded": "Stop"})
    made.declare([])
    run.joules = 111

    assert made.meet("r", NAME) == NAME
    with pytest.raises(Refused):
        made.check(run, 1.0)


@pytest.mark.parametrize(
    ("budget", "joules", "now", "kind"),
    [
        pytest.param({"maxJoules": 100}, 100, 0, "energy_budget", id="joules"),
        pytest.param({"maxDurationSeconds": 60}, 0, 60, "time_budget", id="time"),
    ],
)
def test_a_run_that_used_up_its_budget_is_refused_its_next_turn_and_told_not_to_retry(
    budget, joules, now, kind
):
    run = Run("r")
    made = bound(run, budget=budget | {"onExceeded": "Stop"})
    made.check(run, 0.0)
    run.joules = joules

    with pytest.raises(Refused) as caught:
        made.check(run, now)

    assert (caught.value.status, caught.value.type) == (429, kind)
    assert caught.value.headers["x-should-retry"] == "false"
    assert caught.value.retry_after_seconds is None


def test_warn_says_so_once_a_run_and_lets_it_go_on():
    run, told = Run("r"), []
    made = bound(run, tell=lambda *said: told.append(said), budget={"maxJoules": 100})
    run.joules = 200
    made.check(run, 1.0)
    made.check(run, 2.0)

    assert made.exceeded == {(NAME, OnExceeded.WARN): 1}
    assert told == [(NAME, "Warn for run r", "the run has used 200 J of 100 J")]
    assert made.behind_seconds(run, 2.0) == 0


def test_slow_lets_others_go_first_once_the_budget_is_used_up():
    run = Run("r")
    made = bound(run, **{"class": "Protected", "budget": {"maxJoules": 100, "onExceeded": "Slow"}})

    assert made.behind_seconds(run, 0.0) < 0
    run.joules = 100
    made.check(run, 1.0)
    assert made.behind_seconds(run, 1.0) > 0


def test_a_budget_that_is_raised_holds_at_the_next_turn():
    run = Run("r", joules=0)
    made = bound(run, budget={"maxJoules": 100, "onExceeded": "Stop"})
    run.joules = 150
    made.declare([workflow(budget={"maxJoules": 1000, "onExceeded": "Stop"})])

    made.check(run, 1.0)


def test_a_run_of_the_same_name_begins_anew_once_the_first_is_over():
    run = Run("r")
    made = bound(run, budget={"maxJoules": 100, "onExceeded": "Stop"})
    run.joules = 150
    made.over("r")
    made.bind(run, made.meet("r", NAME), 10.0)

    made.check(run, 11.0)
    assert made.runs() == {NAME: 1}


def test_a_run_that_names_no_workflow_has_neither_order_nor_budget():
    made, run = bound(Run("r"), budget={"maxJoules": 1, "onExceeded": "Stop"}), Run("s", joules=9)
    made.check(run, 1e9)

    assert made.behind_seconds(run, 0.0) == 0
    assert made.start_within_seconds("s") is None


def test_how_long_a_first_turn_may_wait_is_the_workflows_word():
    made = bound(Run("r"), objective={"startWithinSeconds": 5})

    assert made.start_within_seconds("r") == 5
