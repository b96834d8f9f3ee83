"""The fit of a GPU's thermal response learns what the device does, says when it does not know, and stays bounded."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.agent.heat import IDLE_SECONDS, idle_then_full, play

from wattline.model.gpu import EventReason, GpuReading
from wattline.world.gpu import PRODUCTS
from wattline.world.thermal import Stage, Thermal
from wattline_agent import thermal

FAST = (Stage(0.030, 0.2), Stage(0.020, 2.0), Stage(0.020, 30.0))
WORLD = PRODUCTS["h100"].stages
SLOW = (Stage(0.010, 0.5), Stage(0.020, 10.0), Stage(0.050, 240.0))
WEAK = replace(PRODUCTS["h100"], stages=(Stage(0.014, 0.2), Stage(0.032, 6.0), Stage(0.034, 90.0)))
"""A package that passes its heat on badly: most of a step shows within ten seconds and not at once."""


class Die:
    """A die with stages, read five times a second in whole degrees."""

    def __init__(self, stages=WORLD, inlet_celsius=30.0):
        self.thermal = Thermal(stages, inlet_celsius, 100.0)
        self.at_seconds = 0.0
        self.energy_joules = 0.0
        self.fit = thermal.Fit()

    def pass_time(self, seconds, watts):
        for _ in range(round(5 * seconds)):
            self.thermal.advance(0.2, watts)
            self.at_seconds = round(self.at_seconds + 0.2, 3)
            self.energy_joules += 0.2 * watts
            self.fit = thermal.step(self.fit, self.reading(watts))
        return self

    def reading(self, watts, **changes):
        seen = GpuReading(
            self.at_seconds, watts, watts, self.energy_joules, 700, 1980, float(round(self.thermal.celsius)),
            None, EventReason(0), persistence=True,
        )  # fmt: skip
        return seen._replace(**changes)

    def taught(self, rounds=4):
        for _ in range(rounds):
            for watts in (200.0, 600.0, 350.0, 500.0):
                self.pass_time(20, watts)
        return self

    def rises_in_ten_seconds(self, watts):
        before = self.thermal.celsius
        ahead = Thermal(self.thermal.stages, self.thermal.inlet_celsius, 0.0)
        ahead._rises = list(self.thermal._rises)
        ahead.advance(10.0, watts)
        return ahead.celsius - before


@pytest.mark.parametrize(
    "stages", [FAST, WORLD, SLOW], ids=["a fast cooler", "the world's H100", "a slow cooler"]
)
@pytest.mark.parametrize("watts", [100.0, 400.0, 700.0])
def test_ten_seconds_ahead_is_foreseen_within_the_criterion_whatever_the_time_constants(stages, watts):
    die = Die(stages).taught()

    assert die.fit.trusted
    want = max(0.0, die.rises_in_ten_seconds(watts))
    assert die.fit.rise_celsius(watts) == pytest.approx(want, abs=thermal.TRUST_CELSIUS)


def test_before_anything_was_learned_nothing_is_foreseen():
    die = Die()
    assert die.fit.rise_celsius(700.0) == 0.0

    die.pass_time(120, 100.0)

    assert die.fit.rise_celsius(700.0) < 1.0, "a steady load teaches nothing"


def test_a_response_never_seen_is_not_trusted_until_it_is_learned():
    die = Die().pass_time(60, 100.0)
    trusted = [die.pass_time(1, 650.0).fit.trusted for _ in range(12)]
    assert not trusted[-1], "the step came as a surprise"

    assert die.taught().fit.trusted


def test_a_cooler_that_changes_is_distrusted_and_learned_anew():
    die = Die().taught()
    worse = Thermal([Stage(2 * s.celsius_per_watt, s.time_constant_seconds) for s in WORLD], 30.0, 400.0)
    die.thermal = worse
    die.pass_time(15, 700.0)
    assert not die.fit.trusted

    die.taught(rounds=12)
    assert die.fit.trusted
    assert die.fit.rise_celsius(700.0) == pytest.approx(die.rises_in_ten_seconds(700.0), abs=1.5)


def test_air_that_gets_warmer_is_foreseen_as_it_goes_on():
    die = Die().taught().pass_time(60, 400.0)
    for _ in range(60):
        die.thermal.inlet_celsius += 0.2
        die.pass_time(1, 400.0)

    assert die.fit.trusted
    assert die.fit.rise_celsius(400.0) == pytest.approx(2.0, abs=0.7)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"energy_joules": 1.0}, id="the driver was loaded again: its counter starts at zero"),
        pytest.param({"at_seconds": 0.0}, id="time that goes back, as after a reboot that kept the state"),
        pytest.param({"energy_joules": 2.0**62 / 1000}, id="a counter that leaps further than any GPU draws"),
    ],
)
def test_a_break_in_the_readings_starts_the_history_anew_and_keeps_what_was_learned(changes):
    die = Die().taught()
    die.at_seconds += thermal.SAMPLE_SECONDS
    after = thermal.step(die.fit, die.reading(500.0, **changes))

    assert len(after.samples) == 1
    assert after.weights == die.fit.weights


def test_watts_that_no_gpu_draws_teach_nothing_and_end_nothing():
    die = Die().taught()
    known = die.fit.weights
    for watts in (2.0**62, 0.0, 2.0**62, 300.0):
        die.at_seconds += 1.0
        die.energy_joules += watts
        die.fit = thermal.step(die.fit, die.reading(watts))

    assert die.fit.weights == known


def test_a_pause_without_readings_starts_the_history_anew():
    die = Die().taught()
    die.at_seconds += 10.0

    assert len(thermal.step(die.fit, die.reading(500.0)).samples) == 1


def test_the_same_reading_again_is_no_second_one():
    die = Die().taught()

    assert thermal.step(die.fit, die.reading(500.0)) == die.fit


@settings(max_examples=60)
@given(
    readings=st.lists(
        st.tuples(
            st.floats(0, 5),
            st.floats(0, 2000) | st.just(2.0**62),
            st.floats(-40, 150) | st.just(2.0**31),
            st.floats(-50, 3000) | st.just(2.0**62 / 1000),
        ),
        max_size=60,
    ),
    watts=st.floats(0, 2000),
)
def test_whatever_is_read_the_fit_stays_bounded_and_finite(readings, watts):
    fit, at, joules = thermal.Fit(), 0.0, 0.0
    for seconds, drawn, celsius, more in readings:
        at, joules = at + seconds, joules + more
        seen = GpuReading(
            at, drawn, drawn, joules, 700, 1980, celsius, None, EventReason(0), persistence=True
        )
        fit = thermal.step(fit, seen)
        assert len(fit.samples) <= 12
        assert all(0 <= weight <= thermal.MOST_CELSIUS_PER_WATT for weight in fit.weights)
        assert 0 <= fit.rise_celsius(watts) < math.inf
        assert abs(fit.drift_celsius) <= thermal.MOST_DRIFT_CELSIUS


# -- what it is good for -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "inlet_celsius", "want_cooler_celsius"),
    [
        pytest.param(PRODUCTS["h100"], 54.0, 1.0, id="the world's H100"),
        pytest.param(PRODUCTS["h100-nvl"], 50.0, 0.8, id="a passive card"),
        pytest.param(WEAK, 54.0, 2.5, id="a package that passes its heat on badly"),
    ],
)
def test_after_a_step_of_power_the_clock_steps_down_earlier_and_the_peak_is_lower(
    product, inlet_celsius, want_cooler_celsius
):
    blind, foresees = (
        play(idle_then_full(product), lambda _: inlet_celsius, predict=each, product=product)
        for each in (False, True)
    )

    assert first_fall(foresees) < first_fall(blind)
    assert foresees.peak_celsius <= blind.peak_celsius - want_cooler_celsius
    assert foresees.slowed_seconds == 0
    assert foresees.mean_mhz >= 0.95 * blind.mean_mhz, "for little speed"


def first_fall(outcome):
    return min(each for each in outcome.falls_seconds if each >= IDLE_SECONDS)


def test_foresight_spares_a_gpu_the_emergency():
    blind, foresees = (
        play(idle_then_full(), lambda _: 60.0, predict=each, product=WEAK) for each in (False, True)
    )

    assert blind.emergency_seconds > 0
    assert foresees.emergency_seconds == 0
    assert foresees.peak_celsius < blind.peak_celsius


def test_after_warmer_air_the_peak_is_lower():
    def warmer(seconds):
        return 40.0 + min(20.0, 0.1 * seconds)

    blind, foresees = (play(lambda _: 700.0, warmer, predict=each) for each in (False, True))

    assert foresees.peak_celsius <= blind.peak_celsius - 0.5
    assert foresees.slowed_seconds == blind.slowed_seconds == 0


def test_a_jump_of_the_air_that_nobody_can_foresee_is_no_worse_than_without():
    def jumps(seconds):
        return 40.0 if seconds < 60 else 52.0

    blind, foresees = (play(lambda _: 700.0, jumps, predict=each) for each in (False, True))

    assert foresees.peak_celsius <= blind.peak_celsius
    assert foresees.slowed_seconds <= blind.slowed_seconds
