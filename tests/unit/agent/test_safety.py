"""The thermal loop tightens fast, releases slowly, never loosens inside its bands, and foresight only tightens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.model.gpu import EventReason, GpuReading
from wattline_agent.bands import Bands
from wattline_agent.safety import Band, Heat, margin_celsius, step

CLOCKS = tuple(range(345, 1981, 15))
BANDS = Bands()


def reading(margin, celsius=60.0):
    return GpuReading(100.0, 400, 400, 0, 700, 1980, celsius, margin, EventReason(0), persistence=True)


@pytest.mark.parametrize(
    ("heat", "margin", "want_ratio", "want_band", "want_emergency"),
    [
        pytest.param(Heat(), 30, 1.0, Band.RELEASE, False, id="cool: nothing binds"),
        pytest.param(Heat(), 8, 1.0, Band.HOLD, False, id="warm: stay"),
        pytest.param(Heat(), 5, 0.95, Band.TIGHTEN, False, id="hot: one step down at once"),
        pytest.param(
            Heat(0.95, moved_at_seconds=99.5), 5, 0.95, Band.TIGHTEN, False, id="hot, just moved: wait"
        ),
        pytest.param(
            Heat(0.95, moved_at_seconds=98), 5, 0.90, Band.TIGHTEN, False, id="still hot: next step"
        ),
        pytest.param(Heat(), 1, 0.0, Band.EMERGENCY, True, id="about to slow down: all the way"),
        pytest.param(Heat(0.9), 8, 0.9, Band.HOLD, False, id="warm after hot: nothing is loosened"),
        pytest.param(Heat(0.9, moved_at_seconds=97), 30, 0.9, Band.RELEASE, False, id="cool again: dwell"),
        pytest.param(
            Heat(0.9, moved_at_seconds=94), 30, 0.925, Band.RELEASE, False, id="cool long enough: up"
        ),
        pytest.param(
            Heat(0.0, emergency=True), 8, 0.0, Band.HOLD, True, id="an emergency lasts while it is warm"
        ),
        pytest.param(
            Heat(0.0, emergency=True), 30, 0.525, Band.RELEASE, False, id="and ends from half speed"
        ),
    ],
)
def test_bands(heat, margin, want_ratio, want_band, want_emergency):
    after = step(BANDS, heat, 100.0, margin)

    assert after.clock_ratio == pytest.approx(want_ratio)
    assert after.band is want_band
    assert after.emergency is want_emergency


@pytest.mark.parametrize(
    ("margin", "rise", "want_ratio", "want_band"),
    [
        pytest.param(30, 5, 1.0, Band.RELEASE, id="far away in ten seconds too: nothing binds"),
        pytest.param(14, 6, 1.0, Band.HOLD, id="warm soon: nothing is loosened now"),
        pytest.param(12, 7, 0.95, Band.TIGHTEN, id="hot soon: one step down now"),
        pytest.param(
            12, 11, 0.90, Band.TIGHTEN, id="an emergency soon: two steps at once, and no emergency yet"
        ),
        pytest.param(5, -9, 0.95, Band.TIGHTEN, id="cool soon, hot now: one step down"),
        pytest.param(8, -9, 1.0, Band.HOLD, id="cool soon, warm now: nothing is loosened"),
    ],
)
def test_what_is_foreseen_counts_as_if_it_were_now(margin, rise, want_ratio, want_band):
    after = step(BANDS, Heat(), 100.0, margin, rise)

    assert after.clock_ratio == pytest.approx(want_ratio)
    assert after.band is want_band
    assert not after.emergency


@pytest.mark.parametrize(
    ("margin", "threshold", "want"),
    [
        pytest.param(12.0, 89.0, 12.0, id="the margin as the device says it"),
        pytest.param(0.0, 89.0, 0.0, id="a margin of zero is one"),
        pytest.param(None, 89.0, 9.0, id="no margin: degrees up to the device's own threshold"),
        pytest.param(None, None, 5.0, id="neither: degrees up to a cautious threshold of ours"),
    ],
)
def test_where_a_device_offers_no_margin_degrees_count(margin, threshold, want):
    assert margin_celsius(reading(margin, celsius=80.0), threshold) == want


def test_heat_binds_a_supported_clock_or_none():
    assert Heat().clock_top_mhz(CLOCKS) is None
    assert Heat(0.95).clock_top_mhz(CLOCKS) == 1875
    assert Heat(0.0).clock_top_mhz(CLOCKS) == 345
    assert Heat(0.5).clock_top_mhz(()) is None


MOMENTS = st.lists(st.tuples(st.floats(-10, 60), st.floats(-20, 20)), min_size=1, max_size=80)


@given(moments=MOMENTS)
def test_nothing_is_loosened_below_the_release_band(moments):
    heat = Heat()
    for index, (margin, rise) in enumerate(moments):
        after = step(BANDS, heat, 0.2 * index, margin, rise)
        assert 0 <= after.clock_ratio <= 1
        if min(margin, margin - rise) < BANDS.hold_celsius:
            assert after.clock_ratio <= heat.clock_ratio
            assert after.emergency >= heat.emergency
        if margin < BANDS.emergency_celsius:
            assert after.emergency
        heat = after


@given(moments=MOMENTS, heat=st.builds(Heat, st.sampled_from([0.0, 0.3, 0.9, 1.0]), st.booleans()))
def test_foresight_never_allows_more_than_the_margin_of_now(moments, heat):
    for index, (margin, rise) in enumerate(moments):
        blind, foresees = (step(BANDS, heat, 0.2 * index, margin, each) for each in (0.0, rise))
        assert foresees.clock_ratio <= blind.clock_ratio
        assert foresees.emergency >= blind.emergency
        heat = foresees
