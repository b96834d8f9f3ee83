"""The conformance suite itself: it passes our agent where it once did not, and fails agents that break a promise."""

import os
from unittest.mock import patch

import pytest
from conformance.faults import Cell, Kind, cells, learn
from conformance.ours import Inside
from conformance.stage import State
from conformance.table import judge_cell
from tests.integration import toy_agents

from wattline.fake.nvml import Call


@pytest.fixture(autouse=True)
def environment_of_its_own():
    """An agent in this process finds its driver library by the environment, where the next test must not find it."""
    with patch.dict(os.environ):
        yield


@pytest.mark.parametrize(
    ("call", "kind", "value", "state"),
    [
        pytest.param(Call.INIT, Kind.LOST, 0, State.CAPPED, id="a GPU missing from the start is told of"),
        pytest.param(Call.COUNT, Kind.WRONG, 0, State.CAPPED, id="a driver that shows no GPU is told of"),
        pytest.param(Call.NAME, Kind.ERROR, 999, State.CAPPED, id="one GPU without a name keeps the other held"),
        pytest.param(
            Call.POWER_LIMIT_CONSTRAINTS, Kind.WRONG, 300_000, State.CAPPED, id="limits that make no sense bind nothing"
        ),
        pytest.param(Call.GRAPHICS_CLOCKS, Kind.MISSING, 0, State.THERMAL, id="a lock is taken off without a table"),
        pytest.param(Call.LOCK_CLOCKS, Kind.MISSING, 0, State.FAILSAFE, id="a refused clock is asked for again"),
        pytest.param(Call.RESET_CLOCKS, Kind.MISSING, 0, State.CAPPED, id="a lock stays on record until it is off"),
        pytest.param(Call.POWER_LIMIT, Kind.WRONG, 700_000, State.CAPPED, id="a limit read wrong is not fought"),
        pytest.param(Call.POWER_LIMIT, Kind.ERROR, 1, State.CAPPED, id="one GPU says not initialised, the other is held"),
        pytest.param(Call.POWER_LIMIT, Kind.ERROR, 9, State.CAPPED, id="one GPU says no driver, the other is held"),
        pytest.param(Call.MARGIN, Kind.ERROR, 18, State.CAPPED, id="one GPU says another driver, the other is held"),
        pytest.param(Call.NAME, Kind.ERROR, 18, State.CAPPED, id="one GPU says so at the start, the other is held"),
    ],
)  # fmt: skip
def test_our_agent_passes_where_it_once_did_not(nvml_library, call, kind, value, state):
    verdict = judge_cell(Inside, _cell(call, kind, state, value), nvml_library.parent)

    assert verdict.complaints == ()
    assert verdict.reached


@pytest.mark.parametrize("state", State)
def test_a_decent_agent_of_somebody_else_passes(nvml_library, state):
    verdict = judge_cell(toy_agents.Plain, _cell(Call.SHUTDOWN, Kind.ERROR, state, 999), nvml_library.parent)

    assert verdict.complaints == ()


@pytest.mark.parametrize(
    ("agent", "call", "state", "words"),
    [
        pytest.param(
            toy_agents.ForgetsTheLease, Call.SHUTDOWN, State.FAILSAFE, "W can be drawn of 500 W", id="forgets the lease"
        ),
        pytest.param(
            toy_agents.LetsGoAtTheEnd, Call.SHUTDOWN, State.FAILSAFE, "GPU 0 is raised to 700 W", id="lets go at the end"
        ),
        pytest.param(
            toy_agents.FollowsAnyTarget, Call.SHUTDOWN, State.EMERGENCY, "together of 700 W", id="follows any target"
        ),
        pytest.param(
            toy_agents.BlindToHeat, Call.SHUTDOWN, State.THERMAL, "does not get to thermal", id="blind to heat"
        ),
        pytest.param(
            toy_agents.SaysAllIsWell, Call.POWER_LIMIT, State.CAPPED, "nothing of the fault", id="says all is well"
        ),
        pytest.param(
            toy_agents.PutsBackTheMaximum, Call.SHUTDOWN, State.CAPPED, "GPU 1 is raised to 700 W", id="puts back too much"
        ),
        pytest.param(
            toy_agents.CannotWait, Call.SHUTDOWN, State.IDLE, "though nobody asks for anything", id="cannot wait"
        ),
        pytest.param(
            toy_agents.RaisesFirst, Call.SHUTDOWN, State.CAPPED, "together of 1000 W", id="raises first"
        ),
    ],
)  # fmt: skip
def test_an_agent_that_breaks_a_promise_fails(nvml_library, agent, call, state, words):
    verdict = judge_cell(agent, _cell(call, Kind.ERROR, state, 999), nvml_library.parent)

    assert any(words in complaint for complaint in verdict.complaints), verdict.complaints


def test_the_calls_of_an_agent_are_learnt_by_watching_it(nvml_library, tmp_path):
    learned = learn(toy_agents.Plain, tmp_path, nvml_library.parent, speed=1.0)
    table = cells(learned, State, [Kind.ERROR], full=False)

    assert learned.always == {
        (Call.COUNT, False),
        (Call.HANDLE_BY_INDEX, False),
        (Call.POWER_LIMIT, True),
        (Call.MARGIN, True),
    }
    assert {call for call, _ in learned.sometimes} == {Call.INIT, Call.SHUTDOWN, Call.SET_POWER_LIMIT}
    assert len(table) == len(State) * 7


def _cell(call: Call, kind: Kind, state: State, value: int) -> Cell:
    nodes = {Call.INIT, Call.SHUTDOWN, Call.COUNT, Call.HANDLE_BY_INDEX}
    steady = {Call.POWER_LIMIT, Call.MARGIN}
    return Cell(call, call not in nodes, kind, state, value, restart=call not in steady)
