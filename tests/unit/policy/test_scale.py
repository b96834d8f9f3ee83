"""Replicas by role: up at once, down when less has lasted, and no role for the load of another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.scale import ScaleSeen, ScaleSpec, ScaleState, Why, all_of, decide

SPEC = ScaleSpec(least=1, most=20, spare_ratio=0.0)
CALM = ScaleState(((0.0, 3), (300.0, 4), (600.0, 3), (900.0, 3)))


def seen(replicas, load, at=1200.0, attained=1.0):
    return ScaleSeen(at, replicas, load, 100.0, attained)


@pytest.mark.parametrize(
    ("state", "now", "replicas", "why"),
    [
        pytest.param(ScaleState(), seen(4, 390), 4, Why.ENOUGH, id="it is enough"),
        pytest.param(ScaleState(), seen(4, 410), 5, Why.LOAD, id="more load, more replicas"),
        pytest.param(ScaleState(), seen(4, 1490), 15, Why.LOAD, id="as many as it takes, at once"),
        pytest.param(ScaleState(), seen(4, 390, attained=0.9), 5, Why.OBJECTIVE, id="the objective is missed all the same"),
        pytest.param(ScaleState(), ScaleSeen(1200.0, 4, 390.0, 100.0, 0.9, starting=1), 4, Why.ENOUGH, id="one that was asked for is not there yet"),
        pytest.param(ScaleState(), seen(19, 1890, attained=0.9), 20, Why.OBJECTIVE, id="up to the bound"),
        pytest.param(ScaleState(), seen(20, 2500), 20, Why.BOUND, id="not beyond it"),
        pytest.param(ScaleState(), seen(9, 250), 9, Why.COOLING, id="less was wanted only now"),
        pytest.param(CALM, seen(9, 250), 4, Why.LESS, id="less has lasted: the most that was wanted meanwhile"),
        pytest.param(CALM, seen(4, 250), 4, Why.COOLING, id="as many were wanted a while ago"),
        pytest.param(CALM, seen(4, 290), 4, Why.ENOUGH, id="fewer would have no room"),
        pytest.param(ScaleState(), seen(1, 0), 1, Why.ENOUGH, id="never below the least"),
        pytest.param(CALM, seen(9, None), 9, Why.UNKNOWN, id="no load is known"),
        pytest.param(CALM, ScaleSeen(1200.0, 9, 250.0, None), 9, Why.UNKNOWN, id="no capacity is known"),
        pytest.param(CALM, seen(9, math.nan), 9, Why.UNKNOWN, id="a load that is no number"),
        pytest.param(ScaleState(), ScaleSeen(0.0, 4, 390.0, 100.0), 4, Why.ENOUGH, id="nobody asked, nothing missed"),
    ],
)  # fmt: skip
def test_one_decision(state, now, replicas, why):
    decided = decide(SPEC, state, now)

    assert (decided.replicas, decided.why) == (replicas, why)


def test_some_capacity_stays_free_for_what_comes_meanwhile():
    spec = ScaleSpec(spare_ratio=0.1)

    assert decide(spec, ScaleState(), seen(4, 390)).replicas == 5


def test_after_a_gap_in_what_is_known_the_cool_down_begins_anew():
    state = decide(SPEC, CALM, seen(9, None, at=1200.0)).state

    assert decide(SPEC, state, seen(9, 250, at=1500.0)).why is Why.COOLING


def test_a_burst_of_images_makes_image_encoders_more_and_nothing_else():
    specs = {"image": SPEC, "text": SPEC}
    before = {"image": seen(4, 380), "text": seen(6, 560)}
    burst = {"image": seen(4, 1200), "text": seen(6, 560)}

    assert {role: each.replicas for role, each in all_of(specs, {}, before).items()} == {
        "image": 4,
        "text": 6,
    }
    assert {role: each.replicas for role, each in all_of(specs, {}, burst).items()} == {
        "image": 12,
        "text": 6,
    }


def test_load_at_an_edge_does_not_make_replicas_come_and_go():
    state, replicas, moves = ScaleState(), 4, 0
    for period in range(200):
        decided = decide(SPEC, state, seen(replicas, 400 + (5 if period % 2 else -5), at=300.0 * period))
        moves += decided.replicas != replicas
        state, replicas = decided.state, decided.replicas

    assert moves == 1


@given(st.lists(st.tuples(st.floats(1, 1000), st.floats(0, 3000), st.floats(0, 1)), max_size=40))
def test_the_load_is_always_served_and_less_comes_only_after_a_cool_down(periods):
    state, replicas, now = ScaleState(), 3, 0.0
    wanted_at = []
    for passed, load, attained in periods:
        now += passed
        decided = decide(SPEC, state, ScaleSeen(now, replicas, load, 100.0, attained))
        assert SPEC.least <= decided.replicas <= SPEC.most
        assert decided.replicas >= min(SPEC.most, math.ceil(load / 100.0 - 1e-9))
        if decided.replicas < replicas:
            recent = [want for at, want in wanted_at if at > now - SPEC.cool_seconds]
            assert decided.replicas >= max(recent, default=0)
            assert now - wanted_at[0][0] >= SPEC.cool_seconds
        wanted_at.append((now, min(SPEC.most, math.ceil(load / 100.0 - 1e-9))))
        state, replicas = decided.state, decided.replicas
        assert len(state.wants) <= SPEC.cool_seconds + 2
