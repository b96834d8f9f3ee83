"""Emergencies: what is missing is taken where it costs least, and never more than is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.api.base import PowerClass
from wattline.policy.emergency import Consumer, Why, decide

EFFORT = Consumer("effort", 400, 400, 100, PowerClass.BEST_EFFORT)
POOL = Consumer("pool", 1000, 600, 200)
PROTECTED = Consumer("protected", 1000, 600, 200, PowerClass.PROTECTED)
OPAQUE = Consumer("opaque", 1000, 900, 200, adjustable=False)
ALL = [EFFORT, POOL, PROTECTED, OPAQUE]


def caps(budget, consumers=ALL):
    return {each.name: (round(each.watts), each.why) for each in decide(budget, consumers).caps}


@pytest.mark.parametrize(
    ("budget", "watts"),
    [
        pytest.param(3400, [400, 1000, 1000, 1000], id="enough for all"),
        pytest.param(3200, [200, 1000, 1000, 1000], id="best effort gives first"),
        pytest.param(3100, [100, 1000, 1000, 1000], id="all it can"),
        pytest.param(2900, [100, 800, 1000, 1000], id="then who can be served on less"),
        pytest.param(2500, [100, 600, 800, 1000], id="standard before protected, down to the objective"),
        pytest.param(2250, [100, 600, 600, 950], id="then who can only be capped"),
        pytest.param(
            1800,
            [100, 455, 600, 645],
            id="then objectives, standard first, the same share of what each could",
        ),
        pytest.param(1100, [100, 200, 600, 200], id="protected last"),
        pytest.param(700, [100, 200, 200, 200], id="floors are the end"),
    ],
)
def test_who_gives_what(budget, watts):
    assert [given for given, _ in caps(budget).values()] == watts


def test_everybody_is_told_why():
    whys = {name: why for name, (_, why) in caps(2250).items()}

    assert whys == {
        "effort": Why.SHED,
        "pool": Why.SERVED_ON_LESS,
        "protected": Why.SERVED_ON_LESS,
        "opaque": Why.CAPPED,
    }
    assert caps(3400)["pool"][1] is Why.KEPT
    assert caps(800)["protected"][1] is Why.BELOW_OBJECTIVE


def test_what_floors_exceed_is_said():
    assert decide(500, ALL).missing_watts == pytest.approx(200)
    assert decide(700, ALL).missing_watts == 0


def test_one_that_draws_less_than_its_floor_is_left_alone():
    assert caps(50, [Consumer("idle", 80, 300, 100)]) == {"idle": (80, Why.KEPT)}


consumers = st.lists(
    st.builds(
        Consumer,
        name=st.uuids().map(str),
        watts=st.floats(0, 10_000),
        objective_watts=st.floats(0, 10_000),
        floor_watts=st.floats(0, 1_000),
        power_class=st.sampled_from(PowerClass),
        adjustable=st.booleans(),
    ),
    max_size=8,
)


@given(st.floats(0, 40_000), consumers)
def test_the_budget_is_met_in_one_decision_or_what_is_missing_is_said(budget, members):
    decided = decide(budget, members)
    total = sum(each.watts for each in decided.caps)

    assert total <= budget + decided.missing_watts + 1e-3
    for each, cap in zip(members, decided.caps, strict=True):
        assert min(each.watts, each.floor_watts) - 1e-6 <= cap.watts <= each.watts + 1e-9
    if total < sum(each.watts for each in members) - 1e-3:
        assert total == pytest.approx(budget + decided.missing_watts, abs=1e-3)


@given(st.floats(0, 40_000), consumers)
def test_protected_misses_its_objective_only_when_standard_is_at_its_floor(budget, members):
    by_name = {each.name: each for each in members}
    decided = decide(budget, members).caps
    below = [
        each
        for each in decided
        if by_name[each.name].power_class is PowerClass.PROTECTED and each.why is Why.BELOW_OBJECTIVE
    ]
    if below:
        for each in decided:
            if by_name[each.name].power_class is not PowerClass.PROTECTED:
                seen = by_name[each.name]
                assert each.watts <= max(min(seen.floor_watts, seen.watts), seen.floor_watts) + 1e-3
