"""Turns that wait start by class, then weight, and nobody waits for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.api.base import PowerClass
from wattline.policy.order import OrderSeen, behind_seconds

PROTECTED, STANDARD, BEST_EFFORT = PowerClass.PROTECTED, PowerClass.STANDARD, PowerClass.BEST_EFFORT

SEEN = st.builds(OrderSeen, st.sampled_from(PowerClass), st.floats(0.1, 100), st.booleans())


def test_a_turn_without_a_workflow_is_standard_and_of_weight_one():
    assert behind_seconds(OrderSeen()) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(OrderSeen(PROTECTED), OrderSeen(STANDARD), id="Protected before Standard"),
        pytest.param(OrderSeen(STANDARD), OrderSeen(BEST_EFFORT), id="Standard before BestEffort"),
        pytest.param(OrderSeen(STANDARD, 3), OrderSeen(STANDARD), id="more weight before less"),
        pytest.param(OrderSeen(STANDARD, 0.1), OrderSeen(BEST_EFFORT, 100), id="class before weight"),
        pytest.param(OrderSeen(BEST_EFFORT, 0.1), OrderSeen(PROTECTED, 100, slowed=True), id="slowed last"),
    ],
)
def test_of_two_turns_that_come_together_one_goes_first(first, second):
    assert behind_seconds(first) < behind_seconds(second)


@given(SEEN, SEEN)
def test_a_turn_that_comes_two_minutes_later_never_goes_first(early, late):
    assert behind_seconds(early) < 120 + behind_seconds(late)
