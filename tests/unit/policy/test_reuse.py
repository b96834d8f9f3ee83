"""Shared KV memory: never across foundations or beyond the quality bound, never slower than without, and what it takes."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.reuse import (
    Group,
    Pair,
    ReuseSeen,
    ReuseSpec,
    Why,
    decide,
    frontier,
    parts,
    shared_seconds,
)

FEW, SOME, MANY = Group(10, 8, 0.04), Group(8, 11, 0.009), Group(4, 20, 0.002)
PAIR = Pair("llama", "llama", 32, (FEW, SOME, MANY))
SEEN = ReuseSeen(8000, True, prefill_seconds=1.0, kv_seconds=0.04, hidden_seconds=0.003)
SPEC = ReuseSpec()


@pytest.mark.parametrize(
    ("spec", "pair", "seen", "group", "why"),
    [
        pytest.param(SPEC, PAIR, SEEN, SOME, Why.FASTEST, id="the fastest within one percent"),
        pytest.param(ReuseSpec(0.05), PAIR, SEEN, FEW, Why.FASTEST, id="or within five"),
        pytest.param(ReuseSpec(0.001), PAIR, SEEN, None, Why.QUALITY, id="nothing is good enough"),
        pytest.param(ReuseSpec(0.05, 2.0), PAIR, SEEN, None, Why.NO_NEED, id="in time without sharing: nothing is lost"),
        pytest.param(ReuseSpec(0.05, 0.7), PAIR, SEEN, MANY, Why.OBJECTIVE, id="in time with the least loss"),
        pytest.param(ReuseSpec(0.05, 2.0), PAIR, replace(SEEN, waiting_seconds=1.6), SOME, Why.OBJECTIVE, id="a queue takes more layers over"),
        pytest.param(ReuseSpec(0.05, 2.0), PAIR, replace(SEEN, waiting_seconds=3.0), FEW, Why.FASTEST, id="late anyhow: as fast as may be"),
        pytest.param(SPEC, replace(PAIR, receiver_base="qwen"), SEEN, None, Why.OTHER_BASE, id="never across foundations"),
        pytest.param(SPEC, None, SEEN, None, Why.UNMEASURED, id="never without a measurement"),
        pytest.param(SPEC, PAIR, replace(SEEN, connector=False), None, Why.NO_CONNECTOR, id="an engine that cannot computes all"),
        pytest.param(SPEC, PAIR, replace(SEEN, shared_tokens=0), None, Why.NOT_THERE, id="nobody has it"),
        pytest.param(SPEC, PAIR, replace(SEEN, kv_seconds=4.0), None, Why.SLOWER, id="a slow link is slower than computing"),
    ],
)  # fmt: skip
def test_what_is_computed(spec, pair, seen, group, why):
    decision = decide(spec, pair, seen)
    assert (decision.group, decision.why) == (group, why)
    if group is None:
        assert decision.seconds == seen.prefill_seconds


def test_hidden_states_first_hides_the_stream_behind_the_computing():
    # The paper's example takes 47, 30 and 17 units; of its parts it says nothing, and these make them.
    seen = ReuseSeen(1, True, prefill_seconds=47.0, kv_seconds=13.0 / (1 - 13 / 47), hidden_seconds=4.0)
    group = Group(5, 13, 0.0)
    assert sum(parts(group, 47, seen)) == pytest.approx(30.0)
    assert shared_seconds(group, 47, seen) == pytest.approx(17.0)


def test_a_group_at_the_bottom_needs_no_hidden_states():
    assert shared_seconds(Group(0, 16, 0.0), 32, SEEN) == pytest.approx(0.5)
    assert shared_seconds(Group(0, 0, 0.5), 32, SEEN) == pytest.approx(0.04)


groups = st.lists(st.builds(Group, st.integers(0, 16), st.integers(0, 16), st.floats(0, 1)), max_size=12)


@given(groups)
def test_the_frontier_has_nothing_that_is_beaten(measured):
    kept = frontier(measured)
    for group in measured:
        assert any(one.count <= group.count and one.drop_ratio <= group.drop_ratio for one in kept)
    for less, more in pairwise(kept):
        assert less.count < more.count
        assert less.drop_ratio > more.drop_ratio


@given(
    groups,
    st.floats(0, 1),
    st.none() | st.floats(0.01, 5),
    st.builds(ReuseSeen, st.integers(0, 3), st.booleans(), st.floats(0.001, 3), st.floats(0, 3), st.floats(0, 1), st.floats(0, 5)),
)  # fmt: skip
def test_never_slower_than_without_nor_worse_than_the_bound(measured, bound, objective, seen):
    decision = decide(ReuseSpec(bound, objective), Pair("a", "a", 32, tuple(measured)), seen)
    assert decision.seconds <= seen.prefill_seconds
    if decision.group is not None:
        assert decision.group.drop_ratio <= bound
        assert seen.connector
        assert seen.shared_tokens > 0
