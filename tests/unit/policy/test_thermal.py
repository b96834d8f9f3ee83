"""Learned heat: what telemetry says is found again, and what it does not say is not said."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.thermal import (
    Sample,
    ThermalSpec,
    Why,
    air_features,
    decide,
    gpu_features,
    inlet_features,
    load_features,
    seen,
)

SPEC = ThermalSpec()


def inlet(outside, load):
    return 21.5 + 0.15 * max(0, outside - 15) + 0.25 * max(0, outside - 25) + 3.0 * load


def telemetry(rng, count=168, noise=0.5):
    for hour in range(count):
        outside = 22 + 10 * math.cos(hour * math.pi / 12) + rng.gauss(0, 2)
        load = rng.uniform(0.2, 1.0)
        yield Sample(hour * 3600.0, inlet_features(outside, load), inlet(outside, load) + rng.gauss(0, noise))


def test_a_noisy_inlet_is_found_again_within_a_degree():
    model = decide(SPEC, list(telemetry(random.Random(1))))

    assert model.why is Why.TRUSTED
    assert model.error < 1.0
    for outside, load in ((10, 0.3), (20, 0.9), (36, 0.7)):
        assert model.predict(inlet_features(outside, load)) == pytest.approx(inlet(outside, load), abs=0.6)


@pytest.mark.parametrize(
    ("features", "truth"),
    [
        pytest.param(gpu_features, lambda watts: 4.0 + 0.07 * watts, id="a GPU above its inlet"),
        pytest.param(air_features, lambda watts: 0.35 + 0.0008 * watts, id="a server's air"),
    ],
)
def test_what_goes_with_watts_is_found_again(features, truth):
    samples = [Sample(t, features(100.0 + 5 * t), truth(100.0 + 5 * t)) for t in range(100)]

    assert decide(SPEC, samples).predict(features(400.0)) == pytest.approx(truth(400.0), rel=0.01)


def test_a_servers_watts_bend_with_its_load():
    samples = [
        Sample(t, load_features(t / 50), 1000 + 3000 * t / 50 + 900 * (t / 50) ** 2) for t in range(50)
    ]
    model = decide(ThermalSpec(most_error=50.0), samples)

    assert model.predict(load_features(0.5)) == pytest.approx(2725, rel=0.02)


def test_too_few_samples_say_nothing():
    model = decide(SPEC, list(telemetry(random.Random(1), count=SPEC.least_samples - 1)))

    assert model.why is Why.TOO_FEW
    assert model.predict(inlet_features(20, 0.5)) is None


def test_a_model_that_is_wrong_is_silent_and_says_by_how_much():
    rng = random.Random(2)
    samples = [Sample(t, gpu_features(300.0 + t), rng.uniform(20, 90)) for t in range(100)]
    model = decide(SPEC, samples)

    assert model.why is Why.TOO_WRONG
    assert model.error > 2.0
    assert model.predict(gpu_features(350.0)) is None


def test_the_error_is_of_what_was_not_learned_from():
    """A place that changed lately is noticed, though the fit on all of the window would look fine."""
    samples = [Sample(t, gpu_features(300.0 + t % 7), 30.0 + (10.0 if t >= 85 else 0.0)) for t in range(100)]

    assert decide(SPEC, samples).why is Why.TOO_WRONG


def test_a_feature_that_never_moved_changes_nothing():
    samples = [Sample(t, inlet_features(10.0, 0.5), 22.0) for t in range(50)]

    assert decide(SPEC, samples).predict(inlet_features(10.0, 0.5)) == pytest.approx(22.0, abs=0.05)


def test_the_window_slides():
    window = ()
    for day in range(10):
        window = seen(SPEC, window, Sample(day * 86_400.0, (1.0,), 20.0))

    assert [each.at_seconds / 86_400 for each in window] == [2, 3, 4, 5, 6, 7, 8, 9]


def test_the_window_is_bounded():
    spec, window = ThermalSpec(most_samples=5), ()
    for second in range(20):
        window = seen(spec, window, Sample(float(second), (1.0,), 20.0))

    assert [each.at_seconds for each in window] == [15, 16, 17, 18, 19]


@given(st.sampled_from([math.nan, math.inf, -math.inf]))
def test_what_is_no_number_is_not_learned(value):
    assert seen(SPEC, (), Sample(0.0, (1.0,), value)) == ()
    assert seen(SPEC, (), Sample(0.0, (1.0, value), 20.0)) == ()


@given(st.lists(st.tuples(st.floats(-20, 45), st.floats(0, 1), st.floats(15, 45)), min_size=24, max_size=60))
def test_whatever_was_seen_the_fit_is_finite(rows):
    model = decide(SPEC, [Sample(t, inlet_features(a, b), c) for t, (a, b, c) in enumerate(rows)])

    assert all(map(math.isfinite, model.coefficients))
    assert math.isfinite(model.error)
