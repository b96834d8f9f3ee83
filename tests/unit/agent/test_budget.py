"""The node's budget: the tightest of what is valid, whatever else is said."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline_agent.budget import Kind, Source, tightest

ORDER = Source(Kind.ORDER, 1000.0)
FAILSAFE = Source(Kind.FAILSAFE, 700.0)
ROW = Source(Kind.EMERGENCY, 500.0, "row", until_seconds=60.0)


@pytest.mark.parametrize(
    ("sources", "now", "kind", "watts"),
    [
        pytest.param((ORDER,), 0, Kind.ORDER, 1000.0, id="an order alone"),
        pytest.param(
            (ORDER, FAILSAFE), 0, Kind.FAILSAFE, 700.0, id="its lease has ended: the tighter of both"
        ),
        pytest.param(
            (ORDER, Source(Kind.FAILSAFE, 1200.0)), 0, Kind.ORDER, 1000.0, id="a failsafe never loosens"
        ),
        pytest.param((ORDER, FAILSAFE, ROW), 59, Kind.EMERGENCY, 500.0, id="an emergency is tightest"),
        pytest.param(
            (ORDER, FAILSAFE, ROW), 60, Kind.FAILSAFE, 700.0, id="an emergency that ended says nothing"
        ),
        pytest.param(
            (ORDER, Source(Kind.EMERGENCY, 1500.0, "row", 60)),
            0,
            Kind.ORDER,
            1000.0,
            id="a level above the order",
        ),
        pytest.param(
            (ORDER, Source(Kind.EMERGENCY, math.nan, "row", 60)),
            0,
            Kind.ORDER,
            1000.0,
            id="no number is no bound",
        ),
        pytest.param(
            (ORDER, Source(Kind.EMERGENCY, -3.0, "row", 60)),
            0,
            Kind.EMERGENCY,
            -3.0,
            id="below zero is tightest",
        ),
        pytest.param((), 0, Kind.FAILSAFE, 0.0, id="nothing said permits nothing"),
    ],
)
def test_the_least_that_is_valid_counts(sources, now, kind, watts):
    found = tightest(sources, now)

    assert (found.kind, found.watts) == (kind, watts)


def test_of_equals_the_first_is_named():
    assert tightest((ORDER, Source(Kind.EMERGENCY, 1000.0, "row", 60.0)), 0).kind is Kind.ORDER


watts = st.floats(allow_nan=True, allow_infinity=True)
source = st.builds(
    Source,
    kind=st.sampled_from(Kind),
    watts=watts,
    name=st.text(max_size=3),
    until_seconds=st.none() | st.floats(0, 100),
)


@given(st.lists(source, max_size=6), st.floats(0, 100))
def test_the_budget_is_never_above_any_valid_source(sources, now):
    found = tightest(sources, now)

    assert all(found.watts <= max(0.0, each.watts) for each in sources if each.valid(now))


@given(st.lists(source, min_size=1, max_size=6), source, st.data(), st.floats(0, 100))
def test_whatever_one_source_says_it_cannot_loosen_the_others(sources, other, data, now):
    wrong = data.draw(st.integers(0, len(sources) - 1))
    others = [each for index, each in enumerate(sources) if index != wrong and each.valid(now)]
    found = tightest([*sources[:wrong], other, *sources[wrong + 1 :]], now)

    assert all(found.watts <= max(0.0, each.watts) for each in others)
