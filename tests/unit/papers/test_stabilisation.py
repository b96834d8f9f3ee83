"""Stabilisation's study: a job's iterations and bands by hand, what sensors are blind to, and a fleet's ramp."""

import numpy as np
import pytest
from bench.papers.stabilisation import telemetry, training
from bench.papers.stabilisation.inference import Fleet, Raise, raised, swings
from bench.papers.stabilisation.training import STEP_SECONDS, TDP_WATTS, Job, band_of, play


def test_nothing_smoothed_swings_as_asked_and_burns_nothing():
    found = play(Job(0, 25.0, 1.0, checkpoints=False))
    assert (found["range"], found["burnt"], found["missing"], found["losses"]) == pytest.approx(
        (0.7, 0, 0, 0)
    )
    assert found["iterations"] == pytest.approx(20, abs=1.1)


def test_a_floor_of_90_percent_leaves_a_tenth_and_burns_what_the_duty_says():
    found = play(Job(0, 65.0, 1.0, duty_ratio=0.5, floor_ratio=0.9, checkpoints=False))
    assert found["range"] == pytest.approx(0.1)
    assert found["burnt"] == pytest.approx(0.5 * 0.6 / (0.5 + 0.5 * 0.3), rel=0.03)


def test_a_job_that_is_given_less_power_gets_through_less():
    alone, ramped = (play(Job(0, 65.0, 2.0, ramp_ratio=ramp, checkpoints=False)) for ramp in (None, 0.2))
    assert ramped["iterations"] < alone["iterations"]
    assert ramped["missing"] > 0
    assert ramped["ramp_tenth"] <= 0.2 + 1e-6


def test_storage_gives_back_what_it_took_but_for_its_losses():
    drawn, _, grid, _ = training.trace(Job(0, 60.0, 1.0, storage_joules=65.0))
    kept = (grid.sum() - drawn.sum()) * STEP_SECONDS
    assert -65.0 <= kept <= 0.05 * grid.sum() * STEP_SECONDS


def test_the_band_of_a_sine_is_its_root_mean_square():
    moments = STEP_SECONDS * np.arange(8000)
    inside, outside = (TDP_WATTS + 100 * np.sin(2 * np.pi * hertz * moments) for hertz in (1.0, 50.0))
    assert band_of(inside) == pytest.approx((100 / 2**0.5, 1.0), rel=1e-3)
    assert band_of(outside)[1] < 1e-6
    assert band_of(np.full(100, 5.0)) == (0.0, 0.0)


@pytest.mark.parametrize("hertz", [1.0, 2.0, 3.0])
def test_an_average_of_a_second_is_blind_where_whole_periods_fit_it(hertz):
    averages, instants = telemetry.readings(hertz, 0.3)
    assert telemetry.swing_seen(averages) < 0.02
    assert telemetry.amplitude_seen(instants, hertz) > 0.8


def test_an_average_of_a_second_sees_half_a_hertz():
    averages, _ = telemetry.readings(0.5, 0.3)
    assert telemetry.amplitude_seen(averages, 0.5) == pytest.approx(2 / np.pi, rel=0.02)


def test_independent_replicas_swing_less_together():
    one, many = (swings(Fleet(0, replicas, 60.0))["spread"] for replicas in (1, 25))
    assert many < one / 3


def test_a_ramp_spreads_a_raise_and_keeps_to_what_is_allowed_over_any_second():
    at_once, spread = (raised(Raise(0, 4, 16, ramp)) for ramp in (None, 0.05))
    assert at_once["seconds"] == 1.0
    assert spread["seconds"] > 4
    assert spread["rise"] < 0.05 * 1.1 < at_once["rise"]


def test_the_same_job_twice_is_the_same():
    assert play(Job(3, 20.0, 0.3, floor_ratio=0.5)) == play(Job(3, 20.0, 0.3, floor_ratio=0.5))
