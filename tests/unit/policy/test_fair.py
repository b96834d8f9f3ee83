"""Fairness: shares sum to one, nobody starves, a late run takes what it may and no more."""

from heapq import heapify, heappop

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.policy.fair import START, FairSpec, FairState, RunSeen, bound, decide, place, shares, urgency

SPEC = FairSpec()


@pytest.mark.parametrize(
    ("run", "at", "expected"),
    [
        pytest.param(
            RunSeen(0, 100), 0, 100 / 150, id="at the start: all the work over one and a half times"
        ),
        pytest.param(RunSeen(0, 100, 50), 100, 1.0, id="half done, as much time left as work"),
        pytest.param(RunSeen(0, 100, 50, weight=3), 100, 3.0, id="weight multiplies"),
        pytest.param(RunSeen(0, 100, 50), 140, 4.0, id="near the deadline it is capped"),
        pytest.param(RunSeen(0, 100, 50), 500, 4.0, id="and after it"),
        pytest.param(
            RunSeen(0, 100, 400), 100, 10 / 50, id="a run longer than expected still has a tenth to go"
        ),
        pytest.param(RunSeen(0, 100, 50, weight=2), 500, 8.0, id="the cap is one of weight 1"),
    ],
)
def test_urgency(run, at, expected):
    assert urgency(SPEC, run, at) == pytest.approx(expected)


urgencies = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2), st.floats(0, 1e6), min_size=1, max_size=12
)


@given(urgencies)
def test_shares_sum_to_one_and_none_is_below_the_floor(values):
    parts = shares(SPEC, values)
    assert sum(parts.values()) == pytest.approx(1.0)
    assert min(parts.values()) >= min(SPEC.least_share, 1 / len(values)) - 1e-12


def test_one_late_tenant_does_not_take_everything():
    late, fresh = [RunSeen(0, 100)], [RunSeen(1000, 100)]
    decision = decide(SPEC, START, 1000.0, {"late": late, "fresh": fresh})
    assert decision is not None
    assert decision.tenant == "late"
    assert decision.shares["fresh"] > 0.15


def test_nobody_is_next_where_nobody_waits():
    assert decide(SPEC, START, 0.0, {"a": []}) is None


runs = st.builds(
    RunSeen, st.floats(0, 1e4), st.floats(1, 1e3), st.floats(0, 2e3), st.floats(0.1, 10)
)  # fmt: skip


@settings(max_examples=25)
@given(st.data(), st.integers(2, 4))
def test_between_two_turns_of_a_tenant_that_waits_lie_no_more_than_the_bound(data, tenants):
    others = [f"t{index}" for index in range(1, tenants)]
    state, gap = START, 0
    for step in range(40):
        waiting = {"mine": [data.draw(runs)] if step % 7 == 0 else [RunSeen(0, 1e3)]}
        waiting |= {name: data.draw(st.lists(runs, max_size=1)) for name in others}
        decision = decide(SPEC, state, float(step), waiting)
        assert decision is not None
        state = decision.state
        gap = 0 if decision.tenant == "mine" else gap + 1
        assert gap <= bound(SPEC, tenants)


def test_turns_are_given_in_proportion_to_shares():
    state, counts = START, {"a": 0, "b": 0}
    waiting = {"a": [RunSeen(0, 100, weight=3)], "b": [RunSeen(0, 100)]}
    for _ in range(400):
        decision = decide(SPEC, state, 0.0, waiting)
        assert decision is not None
        state = decision.state
        counts[decision.tenant] += 1
    share = decide(SPEC, START, 0.0, waiting).shares["a"]
    assert counts["a"] / 400 == pytest.approx(share, abs=0.01)


def test_who_leaves_and_comes_back_does_not_begin_anew():
    state = FairState({"a": 50.0, "b": 10.0})
    alone = decide(SPEC, state, 0.0, {"b": [RunSeen(0, 100)]})
    assert alone is not None
    back = decide(SPEC, alone.state, 0.0, {"a": [RunSeen(0, 100)], "b": [RunSeen(0, 100)]})
    assert back is not None
    assert back.tenant == "b"


def test_who_was_away_has_saved_nothing():
    state = FairState({"a": 1000.0})
    decision = decide(SPEC, state, 0.0, {"a": [RunSeen(0, 100)], "new": [RunSeen(0, 100)]})
    assert decision is not None
    assert min(decision.state.passes.values()) == 1000.0


def test_a_heap_keeps_the_order_of_a_tenant_while_time_passes():
    early, late = RunSeen(0, 100), RunSeen(50, 100)
    short = RunSeen(40, 10)
    heap = [(place(SPEC, run), index) for index, run in enumerate((early, late, short))]
    heapify(heap)
    assert [heappop(heap)[1] for _ in range(3)] == [2, 0, 1]


@given(runs, st.floats(0, 1e4))
def test_who_comes_after_a_run_was_as_urgent_as_can_be_overtakes_it_no_more(run, later):
    newcomer = RunSeen(max(place(SPEC, run), 0.0) + later, 100.0)
    assert place(SPEC, newcomer) >= place(SPEC, run)
