"""The thermal loop tightens fast, releases slowly, and never loosens inside its bands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.model.gpu import EventReason, GpuReading
from wattline_agent.safety import Band, Bands, Heat, margin_celsius, step

CLOCKS = tuple(range(345, 1981, 15))
BANDS = Bands()


def reading(margin, at_seconds=100.0, celsius=60.0):
    return GpuReading(at_seconds, 400, 400, 0, 700, 1980, celsius, margin, EventReason(0), persistence=True)


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
    after = step(BANDS, heat, reading(margin))

    assert after.clock_ratio == pytest.approx(want_ratio)
    assert after.band is want_band
    assert after.emergency is want_emergency


def test_where_a_device_offers_no_margin_degrees_count():
    assert margin_celsius(reading(None, celsius=80.0)) == 7.0


def test_heat_binds_a_supported_clock_or_none():
    assert Heat().clock_top_mhz(CLOCKS) is None
    assert Heat(0.95).clock_top_mhz(CLOCKS) == 1875
    assert Heat(0.0).clock_top_mhz(CLOCKS) == 345
    assert Heat(0.5).clock_top_mhz(()) is None


@given(margins=st.lists(st.floats(-10, 60), min_size=1, max_size=80))
def test_nothing_is_loosened_below_the_release_band(margins):
    heat = Heat()
    for index, margin in enumerate(margins):
        after = step(BANDS, heat, reading(margin, at_seconds=0.2 * index))
        assert 0 <= after.clock_ratio <= 1
        if margin < BANDS.hold_celsius:
            assert after.clock_ratio <= heat.clock_ratio
            assert after.emergency >= heat.emergency
        if margin < BANDS.emergency_celsius:
            assert after.emergency
        heat = after
