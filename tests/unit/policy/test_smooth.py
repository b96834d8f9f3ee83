"""Ramps: what rises pays, what cannot pay waits, and nobody saves up for a jump."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.smooth import SmoothSpec, SmoothState, Step, decide

UP = SmoothSpec(up_watts_per_second=100.0, down_watts_per_second=None)
BOTH = SmoothSpec(up_watts_per_second=100.0, down_watts_per_second=50.0)
NOW = SmoothState(at_seconds=9.0)


def step(name="a", *watts, urgent=False):
    return Step(name, watts, urgent)


@pytest.mark.parametrize(
    ("spec", "steps", "pieces"),
    [
        pytest.param(UP, [step("a", 30, 60, 90)], {"a": 3}, id="what fits the second goes all the way"),
        pytest.param(UP, [step("a", 60, 120, 180)], {"a": 1}, id="what does not goes as far as it can"),
        pytest.param(UP, [step("a", 150)], {"a": 0}, id="a piece that cannot be paid waits"),
        pytest.param(UP, [step("a", 60), step("b", 60)], {"a": 1, "b": 0}, id="pools do not jump together"),
        pytest.param(UP, [step("a", 150), step("b", 60)], {"a": 0, "b": 0}, id="nobody overtakes one that saves"),
        pytest.param(UP, [step("a", 150), step("b", 0, 60)], {"a": 0, "b": 1}, id="what adds nothing costs nothing"),
        pytest.param(UP, [step("a", -500)], {"a": 1}, id="down at once"),
        pytest.param(UP, [step("a", -500), step("b", 150)], {"a": 1, "b": 0}, id="what falls does not pay for another's rise"),
        pytest.param(BOTH, [step("a", -40, -80)], {"a": 1}, id="down slowly where a ramp downwards is set"),
        pytest.param(BOTH, [step("a", -40, -80, urgent=True)], {"a": 2}, id="unless it is urgent"),
        pytest.param(BOTH, [step("a", 90), step("b", -50)], {"a": 1, "b": 1}, id="up and down have an allowance each"),
        pytest.param(UP, [], {}, id="nothing to do"),
    ],
)  # fmt: skip
def test_one_second(spec, steps, pieces):
    assert decide(spec, NOW, 10.0, steps).pieces == pieces


def test_who_waited_longest_goes_first():
    first = decide(UP, NOW, 10.0, [step("a", 90, 180), step("b", 90)])
    second = decide(UP, first.state, 11.0, [step("a", 90), step("b", 90)])

    assert first.pieces == {"a": 1, "b": 0}
    assert second.pieces == {"a": 0, "b": 1}


def test_a_calm_hour_saves_no_jump():
    calm = decide(UP, NOW, 10.0, [])
    after = decide(UP, SmoothState(10.0, up_watts=calm.state.up_watts), 3610.0, [])

    assert decide(UP, after.state, 3610.0, [step("a", 60, 120)]).pieces == {"a": 1}


def test_a_piece_larger_than_a_second_is_saved_for():
    state, taken = NOW, []
    for second in range(10, 16):
        decided = decide(UP, state, float(second), [step("a", 250)])
        state = decided.state
        taken.append(decided.pieces["a"])

    assert taken == [0, 0, 1, 0, 1, 0]


climb = st.lists(st.floats(1, 400), min_size=1, max_size=5).map(
    lambda parts: tuple(sum(parts[: i + 1]) for i in range(len(parts)))
)


@given(
    st.floats(1, 300),
    st.lists(st.tuples(st.floats(0.2, 3.0), st.lists(st.tuples(st.sampled_from("abcd"), climb), max_size=4, unique_by=lambda each: each[0])), min_size=1, max_size=12),
)  # fmt: skip
def test_what_is_spent_is_never_more_than_what_the_ramp_gave_and_one_saved_piece(rate, seconds):
    spec, state, now = SmoothSpec(rate, None), SmoothState(at_seconds=0.0), 0.0
    spent, given_watts, largest = 0.0, 0.0, rate
    for elapsed, steps in seconds:
        now += elapsed
        decided = decide(spec, state, now, [Step(name, watts) for name, watts in steps])
        state = decided.state
        given_watts += rate * elapsed
        spent += sum(watts[decided.pieces[name] - 1] for name, watts in steps if decided.pieces[name])
        largest = max(largest, *(watts[-1] for _, watts in steps), 0.0) if steps else largest

        assert spent <= given_watts + 1e-6
        assert state.up_watts <= max(rate, largest) + 1e-6


@given(climb, st.floats(1, 300))
def test_every_step_gets_there(watts, rate):
    spec, state, done = SmoothSpec(rate, None), SmoothState(at_seconds=0.0), 0.0
    for second in range(1, 3000):
        left = tuple(each - done for each in watts if each > done)
        if not left:
            return
        decided = decide(spec, state, float(second), [Step("a", left)])
        state = decided.state
        done += left[decided.pieces["a"] - 1] if decided.pieces["a"] else 0.0
    raise AssertionError("it never arrived")
