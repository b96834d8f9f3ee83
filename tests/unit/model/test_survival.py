"""Survival curves: durations by bin, the tail given what has passed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.model.survival import EDGES_SECONDS, Survival

CODE = Survival.prior(0.18, 2.4, 28.0, 50.0)


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.18), (0.95, 2.4), (0.99, 28.0)])
def test_a_prior_has_the_quantiles_it_was_given(share, seconds):
    assert CODE.quantile(share) == pytest.approx(seconds, rel=0.1)


def test_a_tool_that_has_run_long_runs_on_longer():
    fresh, old = CODE.mean_remaining(60.0), CODE.mean_remaining(60.0, elapsed_seconds=10.0)
    assert old > 5 * fresh
    assert CODE.ends_within(1.0) > 3 * CODE.ends_within(1.0, elapsed_seconds=10.0)


def test_what_is_seen_outweighs_the_prior():
    curve = Survival.prior(0.18, 2.4, 28.0, 20.0)
    for _ in range(500):
        curve = curve.after(8.0)
    assert curve.quantile(0.5) == pytest.approx(8.0, rel=0.35)
    assert curve.beyond(5.0) > 0.9


def test_old_observations_fade():
    curve = CODE
    for seconds in [8.0] * 3000 + [0.1] * 3000:
        curve = curve.after(seconds)
    assert curve.beyond(5.0) < 0.1


@settings(max_examples=40)
@given(st.lists(st.floats(0, 5000), min_size=1, max_size=20), st.floats(0, 3000), st.floats(0.001, 1000))
def test_chances_and_means_are_possible(durations, elapsed, seconds):
    curve = CODE
    for duration in durations:
        curve = curve.after(duration)
    assert 0.0 <= curve.beyond(elapsed + seconds) <= curve.beyond(elapsed) <= 1.0
    assert 0.0 <= curve.ends_within(seconds, elapsed) <= 1.0 + 1e-9
    assert 0.0 <= curve.mean_remaining(seconds, elapsed) <= seconds
    assert 0.0 <= curve.quantile(0.5, elapsed) <= curve.quantile(0.95, elapsed) <= EDGES_SECONDS[-1]


def test_the_mean_of_known_durations():
    curve = Survival(tuple(1.0 if start == EDGES_SECONDS[20] else 0.0 for start in EDGES_SECONDS[:-1]))
    middle = (EDGES_SECONDS[20] + EDGES_SECONDS[21]) / 2
    assert curve.mean_remaining(1000.0) == pytest.approx(middle)
