"""Places: none that would be exceeded while another is free, coolest for the hottest, rows filled at all hours."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.site import SiteSeen, SiteSpec, Why, Workload, decide

SPEC = SiteSpec()
HOT = Workload((5000.0, 7000.0), 650.0, hotter_than_ratio=0.9)
COOL = replace(HOT, hotter_than_ratio=0.1)
PLACE = SiteSeen("a", (50_000.0, 50_000.0), 100_000.0, 0.5, 0.02, 70.0, 87.0)


def ranked(workload, *places):
    return [(each.name, each.why) for each in decide(SPEC, workload, places)]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        pytest.param({}, Why.FITS, id="it fits"),
        pytest.param({"celsius": 88.0}, Why.TOO_HOT, id="its GPUs would be too hot"),
        pytest.param({"row_watts": (0.0, 94_000.0)}, Why.ROW_FULL, id="the row would be full at one time of the day"),
        pytest.param({"air_ratio": 0.99}, Why.AIR_SHORT, id="the aisle would lack air"),
        pytest.param({"celsius": None}, Why.FITS, id="a model that is silent closes nothing"),
    ],
)  # fmt: skip
def test_what_closes_a_place(changed, why):
    assert ranked(HOT, replace(PLACE, **changed)) == [("a", why)]


def test_the_hot_gets_the_cool_place_and_the_cool_leaves_it():
    cool, warm = replace(PLACE, name="cool", celsius=70.0), replace(PLACE, name="warm", celsius=82.0)

    assert ranked(HOT, warm, cool)[0][0] == "cool"
    assert ranked(COOL, warm, cool)[0][0] == "warm"


def test_what_can_be_moved_away_leaves_the_cool_place_to_what_cannot():
    cool, warm = replace(PLACE, name="cool", celsius=70.0), replace(PLACE, name="warm", celsius=82.0)

    assert ranked(replace(HOT, movable=True), warm, cool)[0][0] == "warm"


def test_a_row_that_peaks_at_another_time_is_better():
    night = replace(PLACE, name="night", row_watts=(60_000.0, 30_000.0))
    day = replace(PLACE, name="day", row_watts=(30_000.0, 60_000.0))

    assert ranked(HOT, day, night)[0][0] == "night"


def test_where_all_are_closed_the_least_exceeded_comes_first():
    assert ranked(HOT, replace(PLACE, name="a", celsius=95.0), replace(PLACE, name="b", celsius=88.0)) == [
        ("b", Why.TOO_HOT),
        ("a", Why.TOO_HOT),
    ]


places = st.lists(
    st.builds(
        SiteSeen,
        name=st.uuids().map(str),
        row_watts=st.tuples(st.floats(0, 2e5), st.floats(0, 2e5)),
        row_most_watts=st.just(1e5),
        air_ratio=st.floats(0, 1.5),
        air_for_workload=st.floats(0, 0.1),
        celsius=st.none() | st.floats(20, 120),
        most_celsius=st.just(87.0),
    ),
    max_size=8,
)


@given(places)
def test_no_place_that_exceeds_a_row_comes_before_one_that_fits(sites):
    decided = decide(SPEC, HOT, sites)
    by_name = {each.name: each for each in sites}

    fits = [each.why is Why.FITS for each in decided]
    assert fits == sorted(fits, reverse=True)
    assert {each.name for each in decided} == set(by_name)
    for each in decided:
        if each.why is Why.FITS:
            row = by_name[each.name].row_watts
            assert max(a + b for a, b in zip(row, HOT.watts, strict=True)) <= 1e5
