"""Routing weights: the tightest headroom decides, who is at risk gets less and less, and somebody always serves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.weights import ReplicaSeen, WeightsSpec, WeightsState, Why, decide

SPEC = WeightsSpec()


def replica(name, celsius=60.0, row_left=0.5, memory_left=1.0):
    return ReplicaSeen(name, celsius, 87.0, row_left, memory_left)


def first(*replicas):
    decided = decide(SPEC, WeightsState(), replicas)
    return {each.name: (round(each.ratio, 3), each.why) for each in decided.weights}


@pytest.mark.parametrize(
    ("replicas", "ratios"),
    [
        pytest.param([replica("a"), replica("b")], [0.5, 0.5], id="alike gets alike"),
        pytest.param([replica("a", 77.0), replica("b")], [1 / 3, 2 / 3], id="half the degrees, half the load"),
        pytest.param([replica("a", row_left=0.125), replica("b")], [1 / 3, 2 / 3], id="half the watts, half the load"),
        pytest.param([replica("a", memory_left=0.5), replica("b")], [1 / 3, 2 / 3], id="half the memory, half the load"),
        pytest.param([replica("a", 85.0), replica("b")], [0, 1], id="too close to its bound of heat: nothing"),
        pytest.param([replica("a", row_left=0.01), replica("b")], [0, 1], id="in a full row: nothing"),
        pytest.param([replica("a", row_left=-0.2), replica("b", 90.0)], [0.5, 0.5], id="all at risk: all the same"),
        pytest.param([replica("a", None), replica("b", 77.0)], [2 / 3, 1 / 3], id="where heat is not known it does not speak"),
        pytest.param([replica("a", row_left=None)], [1], id="a row without a budget does not speak"),
    ],
)  # fmt: skip
def test_the_first_weights(replicas, ratios):
    assert [ratio for ratio, _ in first(*replicas).values()] == pytest.approx(ratios, abs=0.001)


def test_a_weight_says_what_holds_it():
    said = first(
        replica("a", 75.0), replica("b", row_left=0.1), replica("c", memory_left=0.2), replica("d", 86.0)
    )

    assert [why for _, why in said.values()] == [Why.HEAT, Why.POWER, Why.MEMORY, Why.AT_RISK]


def test_a_weight_goes_a_share_of_its_way():
    even = decide(SPEC, WeightsState(), [replica("a"), replica("b")])
    full = decide(SPEC, even.state, [replica("a", row_left=0.0), replica("b")])

    assert [each.ratio for each in full.weights] == pytest.approx([0.4, 0.6])


def test_one_beyond_its_bound_is_left_at_once():
    even = decide(SPEC, WeightsState(), [replica("a"), replica("b")])
    hot = decide(SPEC, even.state, [replica("a", 88.0), replica("b")])

    assert [each.ratio for each in hot.weights] == [0.0, 1.0]


def test_a_new_replica_makes_everything_begin_anew():
    even = decide(SPEC, WeightsState(), [replica("a", 77.0), replica("b")])
    more = decide(SPEC, even.state, [replica("a"), replica("b"), replica("c")])

    assert [each.ratio for each in more.weights] == pytest.approx([1 / 3] * 3)


def test_no_replica_no_weight():
    assert decide(SPEC, WeightsState(), []).weights == ()


def test_two_rows_settle_though_headroom_follows_the_weights():
    state, left = WeightsState(), (0.01, 0.3)
    for _ in range(60):
        decided = decide(SPEC, state, [replica("a", row_left=left[0]), replica("b", row_left=left[1])])
        state, before = decided.state, left
        a, b = (each.ratio for each in decided.weights)
        left = (0.25 - 0.4 * a, 0.25 - 0.4 * b)

    assert left == pytest.approx(before, abs=1e-3)


replicas = st.lists(
    st.builds(
        ReplicaSeen,
        name=st.uuids().map(str),
        celsius=st.none() | st.floats(20, 110),
        most_celsius=st.just(87.0),
        row_left_ratio=st.none() | st.floats(-1, 1),
        memory_left_ratio=st.floats(-0.5, 1.5),
    ),
    min_size=1,
    max_size=8,
)


@given(replicas, replicas)
def test_weights_are_shares_of_one(before, now):
    state = decide(SPEC, WeightsState(), before).state
    decided = decide(SPEC, state, now)

    assert sum(each.ratio for each in decided.weights) == pytest.approx(1.0)
    assert all(each.ratio >= 0 for each in decided.weights)
    mixed = decide(SPEC, state, before[:1] + now)
    assert sum(each.ratio for each in mixed.weights) == pytest.approx(1.0)
