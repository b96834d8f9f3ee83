"""What follows when a run used up its budget is what the user said."""

import pytest

from wattline.api.agentworkflow import OnExceeded, RunBudget
from wattline.policy.budget import Why, decide


@pytest.mark.parametrize(
    ("limits", "joules", "seconds", "why"),
    [
        pytest.param({}, 1e9, 1e9, Why.WITHIN, id="no limits"),
        pytest.param({"max_joules": 100}, 99, 0, Why.WITHIN, id="something left"),
        pytest.param({"max_joules": 100}, 100, 0, Why.ENERGY, id="all joules used"),
        pytest.param({"max_duration_seconds": 60}, 0, 60, Why.TIME, id="all time used"),
        pytest.param(
            {"max_joules": 1, "max_duration_seconds": 1}, 2, 2, Why.ENERGY, id="energy speaks first"
        ),
    ],
)
@pytest.mark.parametrize("said", list(OnExceeded))
def test_a_run_that_used_up_what_it_may_does_what_was_said(limits, joules, seconds, why, said):
    decision = decide(RunBudget(on_exceeded=said, **limits), joules, seconds)

    assert decision.why is why
    assert decision.exceeded is (None if why is Why.WITHIN else said)
    assert bool(decision.message) == (why is not Why.WITHIN)
