"""Ladders: down a rung at a time while a limit is exceeded, up when room has lasted, never below what users accept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.degrade import DegradeSeen, DegradeSpec, DegradeState, Rung, Why, decide

RUNGS = (Rung("full"), Rung("slower"), Rung("fewer"), Rung("smaller", 0.9), Rung("slowest"))
SPEC = DegradeSpec(RUNGS)
CHOOSY = DegradeSpec(RUNGS, least_quality_ratio=0.95)


@pytest.mark.parametrize(
    ("spec", "state", "left", "rung", "why"),
    [
        pytest.param(SPEC, DegradeState(), 0.3, 0, Why.WELL, id="nothing exceeded, nothing done"),
        pytest.param(SPEC, DegradeState(), 0.01, 0, Why.WELL, id="close to a limit is not above it"),
        pytest.param(SPEC, DegradeState(), -0.01, 1, Why.EXCEEDED, id="above a limit: one rung down"),
        pytest.param(SPEC, DegradeState(), -0.9, 1, Why.EXCEEDED, id="far above it: one rung, too"),
        pytest.param(SPEC, DegradeState(1, 970.0), -0.1, 1, Why.ACTING, id="the last step still acts"),
        pytest.param(SPEC, DegradeState(1, 900.0), -0.1, 2, Why.EXCEEDED, id="it did not do"),
        pytest.param(SPEC, DegradeState(4, 900.0), -0.1, 4, Why.AT_END, id="no rung is left"),
        pytest.param(SPEC, DegradeState(2, 100.0), 0.05, 2, Why.TIGHT, id="room, but less than a step brings back"),
        pytest.param(SPEC, DegradeState(2, 100.0), 0.2, 2, Why.DWELLS, id="room since now"),
        pytest.param(SPEC, DegradeState(2, 100.0, 500.0), 0.2, 2, Why.DWELLS, id="room for a while"),
        pytest.param(SPEC, DegradeState(2, 100.0, 100.0), 0.2, 1, Why.ROOM, id="room for long: one rung up"),
        pytest.param(CHOOSY, DegradeState(2, 100.0), -0.1, 4, Why.EXCEEDED, id="a rung of too little quality is skipped"),
        pytest.param(CHOOSY, DegradeState(4, 100.0, 100.0), 0.2, 2, Why.ROOM, id="on the way up as well"),
        pytest.param(CHOOSY, DegradeState(3, 990.0), -0.1, 2, Why.QUALITY, id="users became choosier: up at once"),
    ],
)  # fmt: skip
def test_one_decision(spec, state, left, rung, why):
    decided = decide(spec, state, DegradeSeen(1000.0, left))

    assert (decided.rung, decided.why) == (rung, why)


def test_room_that_does_not_last_begins_anew():
    state = DegradeState(1, 0.0)
    for at, left in ((100, 0.2), (800, 0.2), (900, 0.02), (1000, 0.2), (1500, 0.2)):
        state = decide(SPEC, state, DegradeSeen(float(at), left)).state

    assert state.rung == 1
    assert decide(SPEC, state, DegradeSeen(1900.0, 0.2)).why is Why.ROOM


def test_each_rung_up_waits_for_itself():
    state = decide(SPEC, DegradeState(2, 0.0, 0.0), DegradeSeen(1000.0, 0.5)).state

    assert decide(SPEC, state, DegradeSeen(1001.0, 0.5)).why is Why.DWELLS


@given(
    st.floats(0, 1),
    st.lists(st.tuples(st.floats(1, 2000), st.floats(-1, 1)), max_size=40),
)
def test_quality_is_never_below_what_users_accept_and_steps_are_one_rung(least, moments):
    spec, state, now = DegradeSpec(RUNGS, least_quality_ratio=least), DegradeState(), 0.0
    allowed = [index for index, rung in enumerate(RUNGS) if rung.quality_ratio >= least]
    for passed, left in moments:
        now += passed
        before = state
        decided = decide(spec, state, DegradeSeen(now, left))
        state = decided.state
        assert state.rung in allowed
        assert abs(allowed.index(state.rung) - allowed.index(before.rung)) <= 1
        if state.rung < before.rung:
            assert before.room_since_seconds is not None
            assert now - before.room_since_seconds >= spec.dwell_seconds
